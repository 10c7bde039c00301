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

// answer writes a JSON body as it is.
func answer(w http.ResponseWriter, status int, body []byte) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// refuse answers with the error as users may see it.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	said := *hodei.AsError(err)
	if said.Timestamp.IsZero() {
		said.Timestamp = time.Now().UTC()
	}
	if said.RequestID == "" {
		said.RequestID = rpc.RequestID(r.Context())
	}
	if said.Code == hodei.Unavailable {
		w.Header().Set("Retry-After", "1")
	}
	if rec, ok := w.(*recorder); ok {
		rec.err = err
	}
	if rest, ok := r.Body.(*requestBody); ok && !rest.read {
		w.Header().Set("Connection", "close")                                          // else the server reads the rest before it answers
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) // it reads the rest afterwards
	}
	body, _ := hodei.JSON(said) // a struct of strings and a time always encodes
	answer(w, said.Code.Status(), body)
}

// requestBody remembers whether all of it was read.
type requestBody struct {
	io.ReadCloser
	read bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read = b.read || err == io.EOF
	return n, err
}

// recorder remembers what was answered, for the log, and has the client read it in
// time.
type recorder struct {
	http.ResponseWriter
	status int
	err    error
	stream bool // it lasted as long as the client read
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

// begin notes the status of an answer that begins, unless it has begun.
func (r *recorder) begin(status int) {
	if r.status != 0 {
		return
	}
	if r.status = status; !r.stream {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(r.within)) // where there is a connection
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// identify gives the request its id and logs what became of it.
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
				level = slog.LevelError // our own; what a service said, it has logged
			}
			e.cfg.Log.Log(ctx, level, "request", "method", r.Method, "path", r.URL.Path, "status", rec.status,
				"request_id", id, "dur", time.Since(began), "err", rec.err)
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// recover turns a panic into INTERNAL_ERROR, or where the answer has begun
// into its abrupt end.
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
