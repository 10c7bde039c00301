package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// binder builds an operation's request, one JSON object, from the path, query
// and body of an HTTP request.
type binder struct {
	path, query []schemas.Field
	// document is true where the body is the definition of a pipeline.
	document bool
}

// newBinder returns a binder for the operation's fields and additional query
// parameters.
func newBinder(op *schemas.Op, more ...schemas.Field) binder {
	b := binder{document: op.YAML && op.Method == http.MethodPut}
	for _, f := range op.Fields() {
		if f.In == "path" {
			b.path = append(b.path, f)
		} else {
			b.query = append(b.query, f)
		}
	}
	b.query = append(b.query, more...)
	return b
}

// request returns the merged object, or the body unchanged if there are no
// parameters.
func (b binder) request(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	fields, err := b.parameters(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, b.document)
	if err == nil && b.document {
		body, err = wrapped(r, body)
	}
	if err != nil || len(fields) == 0 {
		return body, err
	}
	return merge(body, fields)
}

// wrapped is a request with the text of a definition in it, so that the service can name
// its lines. A body that has the text in a field already goes on as it is.
func wrapped(r *http.Request, body []byte) ([]byte, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	format := schemas.FormatYAML
	if !isYAML(r) {
		var has struct {
			Document json.RawMessage `json:"document"`
		}
		if json.Unmarshal(body, &has) == nil && has.Document != nil {
			return body, nil
		}
		format = schemas.FormatJSON
	}
	if !utf8.Valid(body) {
		return nil, hodei.InvalidField("body", "the text is not UTF-8")
	}
	return hodei.JSON(map[string]string{"document": string(body), "format": format})
}

// isYAML reports whether the body is declared to be YAML.
func isYAML(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.Contains(yamlTypes, media)
}

// yamlTypes are the media type of YAML (RFC 9512) and those before it.
var yamlTypes = []string{"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}

// parameters returns the path and query parameters as JSON values.
func (b binder) parameters(r *http.Request) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	for _, f := range b.path {
		fields[f.Name] = value(f, pathText(r, f.Name))
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, hodei.InvalidField("query", "malformed: "+err.Error())
	}
	for name, texts := range query {
		i := slices.IndexFunc(b.query, func(f schemas.Field) bool { return f.Name == name })
		switch {
		case i < 0:
			return nil, hodei.InvalidField(name, "unknown query parameter")
		case len(texts) > 1:
			return nil, hodei.InvalidField(name, "given more than once")
		}
		fields[name] = value(b.query[i], texts[0])
	}
	return fields, nil
}

// pathText returns a parameter of the path.
func pathText(r *http.Request, name string) string {
	text := chi.URLParam(r, name)
	if plain, err := url.PathUnescape(text); err == nil && r.URL.RawPath != "" { // otherwise chi has unescaped it
		return plain
	}
	return text
}

// value converts text to the JSON type of the field. Text that does not convert
// becomes a string, which the service then rejects.
func value(f schemas.Field, text string) json.RawMessage {
	switch f.Type.Kind() {
	case reflect.Int, reflect.Int64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return strconv.AppendInt(nil, n, 10)
		}
	case reflect.Bool:
		if b, err := strconv.ParseBool(text); err == nil {
			return strconv.AppendBool(nil, b)
		}
	}
	quoted, _ := json.Marshal(text) // a string always encodes
	return quoted
}

// readBody returns the body, which must be JSON, or YAML where that is taken, and of
// bounded size.
func readBody(w http.ResponseWriter, r *http.Request, yaml bool) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rpc.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, hodei.Errorf(hodei.TooLarge, "Request body exceeds %d bytes", tooLarge.Limit)
	case err != nil:
		return nil, &hodei.Error{
			Code: hodei.Invalid, Message: "Request body could not be read", Err: err,
			Details: &hodei.ErrorDetails{Field: "body", Issue: "ends early, arrives too slowly or is not framed as HTTP requires"},
		}
	}
	wholeRequest(w)
	if yaml && isYAML(r) {
		return body, nil
	}
	if len(body) > 0 && !isJSON(r) && yaml {
		return nil, hodei.Errorf(hodei.UnsupportedMedia, "Request body must be YAML or JSON: send Content-Type: application/yaml or application/json")
	}
	if len(body) > 0 && !isJSON(r) {
		return nil, hodei.Errorf(hodei.UnsupportedMedia, "Request body must be JSON: send Content-Type: application/json")
	}
	return body, nil
}

// wholeRequest lifts the read deadline after the request was read. From then
// on, a read only detects that the client has closed the connection.
func wholeRequest(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not every connection has one
}

// isJSON reports whether the content type allows JSON. A form on any web page
// can make a browser send a body without a content type.
func isJSON(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return !fromBrowser(r)
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

// merge adds the parameters to the body's object. A parameter that the body
// also contains is an error.
func merge(body []byte, fields map[string]json.RawMessage) ([]byte, error) {
	object := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &object); err != nil || object == nil {
			return nil, notObject(err)
		}
	}
	for name, value := range fields {
		if _, twice := object[name]; twice {
			return nil, hodei.InvalidField(name, "already given in the URL; leave it out of the body")
		}
		object[name] = value
	}
	merged, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("merge request: %w", err)
	}
	return merged, nil
}

// notObject explains why the body is not a JSON object.
func notObject(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		failed := hodei.InvalidField("body", fmt.Sprintf("%s (at byte %d)", syntax, syntax.Offset))
		failed.Message = "Malformed JSON"
		return failed
	}
	return hodei.InvalidField("body", "object required")
}
