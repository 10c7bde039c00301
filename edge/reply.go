package edge

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// answer writes a JSON body unchanged.
func answer(w http.ResponseWriter, status int, body []byte) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have left
}

// answerJSON writes a struct of strings, numbers and times: these always encode.
func answerJSON(w http.ResponseWriter, status int, v any) {
	body, _ := hodei.JSON(v)
	answer(w, status, body)
}

// handler answers a request, or returns the error that refuses it: not after the answer has begun.
type handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		refuse(w, r, err)
	}
}

// refuse answers with the part of the error that users may see.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	failed := *hodei.AsError(err)
	if failed.Timestamp.IsZero() {
		failed.Timestamp = time.Now().UTC()
	}
	if id := rpc.RequestID(r.Context()); id != "" { // the error may be shared with other requests
		failed.RequestID = id
	}
	if failed.Code == hodei.Unavailable || failed.Code == hodei.RateLimited {
		w.Header().Set("Retry-After", "1")
	}
	if rec, ok := w.(*recorder); ok {
		rec.err = err
	}
	if rest, ok := r.Body.(*requestBody); ok && !rest.read {
		w.Header().Set("Connection", "close")                                          // otherwise the server reads the rest before it answers
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) // the server reads the rest afterwards
	}
	answerJSON(w, failed.Code.Status(), failed)
}

// requestBody records whether all of it was read.
type requestBody struct {
	io.ReadCloser
	read bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read = b.read || err == io.EOF
	return n, err
}

// recorder records the status for the log and sets the deadline for the client
// to read the answer.
type recorder struct {
	http.ResponseWriter
	status int
	err    error
	stream bool // lasts as long as the client reads
	within time.Duration
}

func (r *recorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.begin(http.StatusOK)
	return r.ResponseWriter.Write(p)
}

// begin records the status when the answer begins.
func (r *recorder) begin(status int) {
	if r.status != 0 {
		return
	}
	if r.status = status; !r.stream {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(r.within)) // not every connection has one
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// identify assigns the request id and logs the result of the request.
func (e *Edge) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx := rpc.WithRequestID(r.Context(), r.Header.Get("X-Request-Id"))
		id := rpc.RequestID(ctx)
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w, within: e.cfg.Patience}
		if r.ContentLength == 0 {
			wholeRequest(w)
		} else {
			r.Body = &requestBody{ReadCloser: r.Body}
		}
		defer func() {
			e.metrics.count(r, rec, time.Since(began))
			level := slog.LevelDebug
			if known := (*hodei.Error)(nil); rec.err != nil && !errors.As(rec.err, &known) {
				level = slog.LevelError // the edge's own error; services log theirs
			}
			e.cfg.Log.Log(ctx, level, "request", "method", r.Method, "path", r.URL.Path, "status", rec.status,
				"request_id", id, "dur", time.Since(began), "err", rec.err)
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// recover answers a panic with INTERNAL_ERROR. If the answer has begun, it
// aborts the connection.
func (e *Edge) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler {
				rpc.Caught(e.cfg.Log, "request", p)
			}
			if rec, ok := w.(*recorder); p == http.ErrAbortHandler || ok && rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			refuse(w, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(w, r)
	})
}
