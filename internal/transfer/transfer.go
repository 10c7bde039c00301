package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Window is the number of requests in flight of one transfer.
const Window = 8

// Patience is the time for which a request is repeated before the transfer fails.
const Patience = 10 * time.Minute

// commitWithin is the time limit of a request that verifies content, because the service reads
// all of it.
const commitWithin = 100 * time.Second

// Wire has the functions that send the requests of a transfer. Open needs Read; Put needs the
// others.
type Wire struct {
	Begin  func(context.Context, hodei.Blob) (schemas.Upload, error)
	Write  func(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error
	Commit func(context.Context, hodei.BlobID) error
	// Read returns the bytes from the offset, at most schemas.ChunkBytes.
	Read func(ctx context.Context, b hodei.Blob, offset int64) ([]byte, error)
	// Failed, if set, receives the error of a request that will be repeated. It may be
	// called concurrently.
	Failed func(error)
	// Patience is the time for which a request is repeated. Default: the constant.
	Patience time.Duration
}

// Put stores the content, unless it is stored already. If the service has lost parts of it, Put
// starts again once.
func Put(ctx context.Context, w Wire, b hodei.Blob, content io.ReaderAt) error {
	var err error
	for range 2 {
		if err = put(ctx, w, b, content); err == nil || !errors.Is(err, hodei.NotFound) && !errors.Is(err, hodei.Conflict) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("store %d bytes: %w", b.Size, err)
	}
	return nil
}

func put(ctx context.Context, w Wire, b hodei.Blob, content io.ReaderAt) error {
	up, err := RepeatFor(ctx, w.Patience, w.Failed, func(ctx context.Context) (schemas.Upload, error) { return w.Begin(ctx, b) })
	if err != nil || up.Stored {
		return err
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(Window)
	for offset := up.Offset; offset < b.Size && sending.Err() == nil; offset += schemas.ChunkBytes {
		g.Go(func() error {
			data := make([]byte, min(schemas.ChunkBytes, b.Size-offset))
			if _, err := content.ReadAt(data, offset); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			_, err := RepeatFor(sending, w.Patience, w.Failed, func(ctx context.Context) (struct{}, error) { return struct{}{}, w.Write(ctx, up.ID, offset, data) })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = RepeatFor(ctx, w.Patience, w.Failed, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, commitWithin)
		defer cancel()
		return struct{}{}, w.Commit(ctx, up.ID)
	})
	return err
}

// Repeat repeats a request until it succeeds, fails permanently, or Patience has passed. failed,
// unless nil, receives the error before each repetition.
func Repeat[T any](ctx context.Context, failed func(error), ask func(context.Context) (T, error)) (T, error) {
	return RepeatFor(ctx, 0, failed, ask)
}

// RepeatFor is Repeat with another time limit; 0 means Patience.
func RepeatFor[T any](ctx context.Context, patience time.Duration, failed func(error), ask func(context.Context) (T, error)) (T, error) {
	notify := func(err error, _ time.Duration) {
		if failed != nil {
			failed(err)
		}
	}
	return backoff.Retry(ctx, func() (T, error) {
		out, err := ask(ctx)
		if errors.Is(err, hodei.Forbidden) || errors.Is(err, hodei.Rejected) || errors.Is(err, hodei.Unauthenticated) || errors.Is(err, hodei.TooLarge) {
			err = backoff.Permanent(err)
		}
		return out, rpc.Final(err)
	}, rpc.Patience(), backoff.WithMaxElapsedTime(cmp.Or(patience, Patience)), backoff.WithNotify(notify))
}
