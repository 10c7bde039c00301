package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/worker"
)

// joinAgain is the pause before a worker that NATS does not admit tries again.
const joinAgain = 2 * time.Second

// joined is a worker with a key of its own for NATS.
type joined struct {
	id   hodei.WorkerID
	path string // of the seed
	text string // of the token with which it joins, "" if it has joined
}

// join returns the worker of the state directory with its key, nil if it has none and is not
// to have one.
func (f *natsFlags) join(dir, text string) (*joined, error) {
	if f.Creds != "" || f.NKey != "" {
		if text != "" {
			return nil, cmdline.Usagef("--join is for a worker without --nats-creds and --nats-nkey")
		}
		return nil, nil
	}
	if kind, _, err := token.Parse(text); text != "" && (err != nil || kind != token.Join) {
		return nil, cmdline.Usagef("--join: not a token with which a worker joins: create one with hodei token create --role worker, and copy it whole")
	}
	id, path, err := worker.Key(dir, text != "")
	if err != nil || path == "" {
		return nil, err
	}
	f.NKey = path
	return &joined{id, path, text}, nil
}

// connect connects with the key. While NATS refuses it, as before its approval, it tries again
// until ctx is done, and so does the connection when it is lost: the access service may be away.
func (j *joined) connect(ctx context.Context, f *natsFlags, name string, log *slog.Logger) (*nats.Conn, error) {
	opts, err := f.Options()
	if err != nil {
		return nil, err
	}
	opts = append(opts, nats.UserInfo(j.id.String(), j.text), nats.IgnoreAuthErrorAbort(), nats.CustomReconnectDelay(func(attempts int) time.Duration {
		return min(time.Duration(attempts)*200*time.Millisecond, 5*time.Second)
	}))
	for first := true; ; first = false {
		nc, err := rpc.Connect(f.url, name, log, opts...)
		if !errors.Is(err, nats.ErrAuthorization) {
			return nc, err
		}
		if first {
			log.Warn("NATS does not admit the worker yet, trying again: it waits for `hodei worker approve`, or its token is used or has expired", "worker_id", j.id)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(joinAgain):
		}
	}
}
