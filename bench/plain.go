package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei/schemas"
)

// plainWindow is the number of requests in flight, as of a transfer of Hodei.
const plainWindow = 8

// plainCopy copies a file by NATS request/reply: once with the bytes in the requests, and
// once with the bytes in the replies.
func plainCopy(ctx context.Context, natsURL, from string) (written, read time.Duration, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return 0, 0, err
	}
	to := from + ".copy"
	defer os.Remove(to)
	for i, took := range []*time.Duration{&written, &read} {
		source, err1 := os.Open(from)
		target, err2 := os.Create(to)
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, err
		}
		local, remote := source.ReadAt, target.WriteAt // of the side that asks, and of the one that answers
		if i == 1 {
			local, remote = target.WriteAt, source.ReadAt
		}
		began := time.Now()
		err := plain(ctx, natsURL, info.Size(), i == 0, local, remote)
		if err = errors.Join(err, target.Sync(), target.Close(), source.Close()); err != nil {
			return 0, 0, err
		}
		*took = time.Since(began)
	}
	return written, read, nil
}

// plain sends a request for each chunk. With up it carries the bytes, otherwise the reply does.
func plain(ctx context.Context, natsURL string, size int64, up bool, local, remote func([]byte, int64) (int, error)) error {
	server, err := nats.Connect(natsURL)
	if err != nil {
		return err
	}
	defer server.Close()
	client, err := nats.Connect(natsURL)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := server.Subscribe("bench.copy", func(m *nats.Msg) {
		go func() {
			offset := int64(binary.BigEndian.Uint64(m.Data))
			if up {
				if _, err := remote(m.Data[8:], offset); err == nil {
					_ = m.Respond(nil) // without an answer the request fails
				}
				return
			}
			data := make([]byte, min(schemas.ChunkBytes, size-offset))
			if _, err := remote(data, offset); err == nil {
				_ = m.Respond(data)
			}
		}()
	}); err != nil {
		return err
	}
	if err := server.Flush(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(plainWindow)
	for offset := int64(0); offset < size && ctx.Err() == nil; offset += schemas.ChunkBytes {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			n := min(schemas.ChunkBytes, size-offset)
			data := binary.BigEndian.AppendUint64(make([]byte, 0, n+8), uint64(offset))
			if !up {
				reply, err := client.RequestWithContext(ctx, "bench.copy", data)
				if err == nil {
					_, err = local(reply.Data, offset)
				}
				return err
			}
			data = data[:n+8]
			if _, err := local(data[8:], offset); err != nil {
				return err
			}
			_, err := client.RequestWithContext(ctx, "bench.copy", data)
			return err
		})
	}
	return g.Wait()
}
