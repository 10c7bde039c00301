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

// format is how a stream is written. Each method appends to the buffer.
type format interface {
	contentType() string
	// line appends a line, given its JSON.
	line(buf []byte, sequence int64, line []byte) []byte
	// at tells where the stream is before there is a line to say so.
	at(buf []byte, sequence int64) []byte
	idle(buf []byte) []byte
	end(buf []byte, end schemas.LogEnd) []byte
}

// chooser returns the format in which a request is to be answered.
type chooser func(*http.Request, schemas.LogOptions) format

func onlySSE(_ *http.Request, opts schemas.LogOptions) format {
	return logSSE{bare: !opts.WithTimestamps()}
}

// accepted is the first format that the Accept header names, nil for a page of
// JSON; events where it names none that we have.
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

// formats are what the query parameter format may say, for those who cannot
// send headers, as a link of a page.
var formats = map[string]string{"json": "application/json", "text": "text/plain", "events": "text/event-stream"}

// formatted is the request with its parameter format said as the Accept
// header.
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

// logSSE writes server-sent events, one for each line.
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

// oneField makes what is behind mark one field of a server-sent event: a line
// break there would begin another field. JSON has line breaks only between its
// tokens, where a space means the same. The bytes come from NATS, so the edge does
// not rely on them being JSON.
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

// plain is the lines alone, each after its time where that is asked for.
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
	if l.Partial { // the rest of it follows
		return buf
	}
	return append(buf, '\n')
}

func (plain) at(buf []byte, _ int64) []byte           { return buf }
func (plain) idle(buf []byte) []byte                  { return buf }
func (plain) end(buf []byte, _ schemas.LogEnd) []byte { return buf }
