package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// peer is another system that does the same work: it runs a command, up to 32
// at a time, and durably stores its exit code and output.
type peer struct {
	name string
	// start starts the store on an empty directory, and the worker as a
	// separate process.
	start func(ctx context.Context, b *bench, dir string) (peerSystem, error)
	// part is the share of the programs that the peer runs; more would take too
	// long.
	part int
	// work is the worker process.
	work func(ctx context.Context, args []string) error
}

// peerSystem is a running peer.
type peerSystem interface {
	// submit returns when the peer has acknowledged the command.
	submit(ctx context.Context, argv ...string) (id string, err error)
	// ended counts the commands whose results are recorded.
	ended(ctx context.Context) (int, error)
	// recorded reports whether the result of the command is recorded.
	recorded(ctx context.Context, id string) (bool, error)
	stop() error
}

var allPeers = []peer{
	{"river", startRiver, 1, workRiver},
	{"asynq", startAsynq, 1, workAsynq},
	{"temporal", startTemporal, 20, workTemporal},
}

// work runs the worker of a peer until ctx is done.
func work(ctx context.Context, name string, args []string) error {
	for _, p := range allPeers {
		if p.name == name {
			return p.work(ctx, args)
		}
	}
	return fmt.Errorf("no peer %q", name)
}

// result is the stored result of a command.
type result struct {
	ExitCode int    `json:"exit_code"`
	Output   string `json:"output"`
}

// perform runs a command and returns its result.
func perform(ctx context.Context, argv []string) (result, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return result{cmd.ProcessState.ExitCode(), out.String()}, err
}

// glance is the interval in which a peer without a feed is polled.
const glance = 10 * time.Millisecond

// throughput runs the program n times, or the peer's part of that, and returns
// how many a second were recorded, from the first submission until the last
// result.
func (p peer) throughput(ctx context.Context, b *bench, n int) (rate float64, err error) {
	n /= p.part
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	sys, done, err := b.startPeer(ctx, p)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	submit := func(ctx context.Context) error {
		_, err := sys.submit(ctx, program)
		return err
	}
	if err := each(ctx, slots, submit); err != nil {
		return 0, err
	}
	if err := awaitEnds(ctx, sys, slots); err != nil {
		return 0, err
	}
	began := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- each(ctx, n, submit) }()
	err = awaitEnds(ctx, sys, slots+n)
	return float64(n) / time.Since(began).Seconds(), errors.Join(err, <-failed)
}

// awaitEnds waits until n results are recorded.
func awaitEnds(ctx context.Context, sys peerSystem, n int) error {
	for {
		ended, err := sys.ended(ctx)
		if err != nil || ended >= n {
			return err
		}
		select {
		case <-time.After(glance):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d ended: %w", ended, n, ctx.Err())
		}
	}
}
