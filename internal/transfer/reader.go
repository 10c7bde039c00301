package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Reader reads content from an offset, with up to Window requests in flight.
type Reader struct {
	cancel context.CancelFunc
	cut    func() error // the error that ended the requests; nil at the end of the content
	// running are the goroutines of the requests.
	running sync.WaitGroup
	// chunks receives one channel for each request, in order. Its size bounds the requests in
	// flight.
	chunks  chan chan chunk
	current []byte
	err     error
}

type chunk struct {
	data []byte
	err  error
}

// NewReader starts to read. The caller must call Close.
func NewReader(ctx context.Context, w Wire, b hodei.Blob, offset int64) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{cancel: cancel, cut: ctx.Err, chunks: make(chan chan chunk, Window-1)}
	r.running.Go(func() {
		defer close(r.chunks)
		for at := offset; at < b.Size; at += schemas.ChunkBytes {
			answer := make(chan chunk, 1)
			select {
			case r.chunks <- answer:
			case <-ctx.Done():
				return
			}
			r.running.Go(func() { answer <- read(ctx, w, b, at) })
		}
	})
	return r
}

func read(ctx context.Context, w Wire, b hodei.Blob, offset int64) chunk {
	data, err := RepeatFor(ctx, w.Patience, w.Failed, func(ctx context.Context) ([]byte, error) { return w.Read(ctx, b, offset) })
	if err == nil && int64(len(data)) != min(schemas.ChunkBytes, b.Size-offset) {
		err = errors.New("a part has the wrong size")
	}
	if err != nil {
		err = fmt.Errorf("read content at %d: %w", offset, err)
	}
	return chunk{data, err}
}

// Read returns the next bytes.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.current) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		answer, more := <-r.chunks
		if !more {
			if r.err = r.cut(); r.err == nil {
				r.err = io.EOF
			}
			continue
		}
		next := <-answer
		r.current, r.err = next.data, next.err
	}
	n := copy(p, r.current)
	r.current = r.current[n:]
	return n, nil
}

// Close ends the requests in flight, and returns when they have ended.
func (r *Reader) Close() {
	r.cancel()
	r.running.Wait()
}
