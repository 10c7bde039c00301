package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// HTTPOption configures the HTTP transport.
type HTTPOption func(*overHTTP)

// WithHTTPClient sets the HTTP client. It must not have a Timeout: following a
// log lasts as long as the execution.
func WithHTTPClient(c *http.Client) HTTPOption { return func(t *overHTTP) { t.http = c } }

// WithToken sends a token, hodei_…, with every request.
func WithToken(token string) HTTPOption { return func(t *overHTTP) { t.token = token } }

// HTTP returns a client of the API at a URL such as "http://127.0.0.1:8080",
// with or without /api/v1.
func HTTP(baseURL string, opts ...HTTPOption) *Client {
	base := strings.TrimSuffix(strings.TrimRight(baseURL, "/"), "/api/v1")
	t := &overHTTP{base: base + "/api/v1", http: http.DefaultClient}
	for _, opt := range opts {
		opt(t)
	}
	return &Client{via: t}
}

type overHTTP struct {
	base  string
	http  *http.Client
	token string
}

// newRequest is a request with the token.
func (t *overHTTP) newRequest(ctx context.Context, method, url string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err == nil && t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	return req, err
}

func (t *overHTTP) send(ctx context.Context, op *schemas.Op, body []byte) (rpc.Reply, error) {
	req, err := t.request(ctx, op, body)
	if err != nil {
		return rpc.Reply{}, err
	}
	resp, err := t.do(req)
	if err != nil {
		return rpc.Reply{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return rpc.Reply{}, t.failed(ctx, err)
	}
	return rpc.Reply{Body: answer, Status: resp.StatusCode}, nil
}

// request builds the route's HTTP request from the body of a NATS request.
func (t *overHTTP) request(ctx context.Context, op *schemas.Op, body []byte) (*http.Request, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, hodei.InvalidField("body", "JSON object required")
	}
	path, query := op.Path, url.Values{}
	for _, f := range op.Fields() {
		text := parameter(fields[f.Name])
		delete(fields, f.Name)
		switch {
		case f.In == "path" && text == "":
			return nil, hodei.InvalidField(f.Name, "required")
		case f.In == "path":
			path = strings.Replace(path, "{"+f.Name+"}", url.PathEscape(text), 1)
		case text != "":
			query.Set(f.Name, text)
		}
	}
	target := t.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var rest io.Reader
	if len(fields) > 0 {
		encoded, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", op.Name, err)
		}
		rest = bytes.NewReader(encoded)
	}
	req, err := t.newRequest(ctx, op.Method, target, rest)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", op.Name, err)
	}
	if rest != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json") // logs have other formats
	req.Header.Set("X-Request-Id", rpc.RequestID(ctx))
	if key := rpc.IdempotencyKey(ctx); key != "" && op.Creates {
		req.Header.Set("Idempotency-Key", key)
	}
	return req, nil
}

// parameter returns a JSON value as the text of a path or query parameter, ""
// for null.
func parameter(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil || len(value) == 0 {
		return text
	}
	return string(value)
}

// do returns a successful response. Any other becomes its error.
func (t *overHTTP) do(req *http.Request) (*http.Response, error) {
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, t.failed(req.Context(), err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, rpc.MaxBody))
	if err != nil {
		return nil, t.failed(req.Context(), err)
	}
	remote := &hodei.Error{}
	if json.Unmarshal(body, remote) == nil && remote.Code != "" {
		return nil, remote
	}
	return nil, hodei.Errorf(codeOf(resp.StatusCode), "%s answered %s", t.base, resp.Status)
}

// codeOf returns the code for a status without the documented body, as from a
// proxy.
func codeOf(status int) hodei.Code {
	if code, ok := hodei.CodeOf(status); ok {
		return code
	}
	if status < 500 {
		return hodei.Invalid
	}
	return hodei.Unavailable // 502 and the like
}

func (t *overHTTP) failed(ctx context.Context, err error) error {
	if stopped := ctx.Err(); stopped != nil {
		return follow.Interrupted(cmp.Or(context.Cause(ctx), stopped))
	}
	return &hodei.Error{Code: hodei.Unavailable, Message: t.base + " is unreachable", Err: err}
}
