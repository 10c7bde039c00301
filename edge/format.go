package edge

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// format encodes a stream. Each method appends to the buffer.
type format interface {
	contentType() string
	// line appends a line, given its JSON.
	line(buf []byte, sequence int64, line []byte) []byte
	// at appends the position of the stream before the first line.
	at(buf []byte, sequence int64) []byte
	idle(buf []byte) []byte
	end(buf []byte, end schemas.LogEnd) []byte
}

// chooser returns the format of the answer to a request.
type chooser func(*http.Request, schemas.LogOptions) format

func onlySSE(_ *http.Request, opts schemas.LogOptions) format {
	return logSSE{bare: !opts.WithTimestamps()}
}

// accepted returns the first known format of the Accept header: nil for a page
// of JSON, events if the header names none.
func accepted(r *http.Request, opts schemas.LogOptions) format {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch media, _, _ := mime.ParseMediaType(part); media {
		case "application/json":
			return nil
		case "text/plain":
			return plain{times: opts.Timestamps != nil && *opts.Timestamps}
		case "text/event-stream":
			return onlySSE(r, opts)
		}
	}
	return onlySSE(r, opts)
}

// formats are the values of the query parameter format, for clients that cannot
// set headers, such as links.
var formats = map[string]string{"json": "application/json", "text": "text/plain", "events": "text/event-stream"}

// formatted returns the request with its parameter format converted to an
// Accept header.
func formatted(r *http.Request) (*http.Request, error) {
	query := r.URL.Query()
	wanted := query["format"]
	if len(wanted) == 0 {
		return r, nil
	}
	media, ok := formats[wanted[0]]
	if !ok || len(wanted) > 1 {
		return r, hodei.InvalidField("format", "one of json, text, events required")
	}
	r = r.Clone(r.Context())
	query.Del("format")
	r.URL.RawQuery = query.Encode()
	r.Header.Set("Accept", media)
	return r, nil
}

// logSSE writes one server-sent event for each line.
type logSSE struct {
	bare bool // without timestamps
}

func (logSSE) contentType() string { return "text/event-stream" }

func (s logSSE) line(buf []byte, sequence int64, line []byte) []byte {
	buf = append(frameID(buf, uint64(sequence)), "data: "...)
	mark := len(buf)
	if s.bare {
		line = schemas.WithoutTimestamp(hodei.ReadLogLine(line, sequence))
	}
	buf = append(buf, line...)
	return append(oneField(buf, mark), "\n\n"...)
}

// oneField removes line breaks after mark, because each would start another
// field of the server-sent event. Valid JSON has line breaks only between
// tokens, where a space is equivalent. The bytes come from NATS, so they may
// not be valid JSON.
func oneField(buf []byte, mark int) []byte {
	for _, end := range []byte("\r\n") {
		rest := buf[mark:]
		for at := bytes.IndexByte(rest, end); at >= 0; at = bytes.IndexByte(rest, end) {
			rest[at] = ' '
			rest = rest[at+1:]
		}
	}
	return buf
}

func (logSSE) at(buf []byte, sequence int64) []byte {
	return append(frameID(buf, uint64(sequence)), '\n')
}

func (logSSE) idle(buf []byte) []byte { return frameIdle(buf) }

func (logSSE) end(buf []byte, end schemas.LogEnd) []byte {
	encoded, _ := hodei.JSON(end) // likewise
	return frameDone(buf, encoded)
}

// plain writes the lines alone, each after its time if requested.
type plain struct {
	times bool
}

func (plain) contentType() string { return "text/plain; charset=utf-8" }

func (p plain) line(buf []byte, sequence int64, line []byte) []byte {
	l := hodei.ReadLogLine(line, sequence)
	if p.times {
		buf = append(l.Timestamp.AppendFormat(buf, time.RFC3339Nano), ' ')
	}
	buf = append(buf, l.Line...)
	if l.Partial { // the rest of the line follows
		return buf
	}
	return append(buf, '\n')
}

func (plain) at(buf []byte, _ int64) []byte           { return buf }
func (plain) idle(buf []byte) []byte                  { return buf }
func (plain) end(buf []byte, _ schemas.LogEnd) []byte { return buf }
