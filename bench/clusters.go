package main

import (
	"context"
	"errors"
	"os"
	"regexp"

	"github.com/hodei-jobs/hodei/internal/local"
)

// cluster starts a Postgres for the bench, with the binaries and settings of
// `hodei up`.
func (b *bench) cluster(ctx context.Context, dir string) (*local.Postgres, error) {
	pg, err := local.StartPostgres(ctx, local.PostgresConfig{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := durable(ctx, pg.URL()); err != nil {
		pg.Stop()
		return nil, err
	}
	return pg, nil
}

// startPeer starts a peer on an empty directory, which done removes.
func (b *bench) startPeer(ctx context.Context, p peer) (sys peerSystem, done func() error, err error) {
	dir, err := os.MkdirTemp(b.dir, p.name)
	if err != nil {
		return nil, nil, err
	}
	if sys, err = p.start(ctx, b, dir); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return sys, func() error { return errors.Join(sys.stop(), os.RemoveAll(dir)) }, nil
}

var peerReady = regexp.MustCompile(`(?m)^ready$`)

// peerWorker starts the worker of a peer and waits until it is ready.
func peerWorker(ctx context.Context, name string, args ...string) (*proc, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(name+" worker", self, append([]string{"peer", name}, args...)...)
	if err != nil {
		return nil, err
	}
	if _, err := p.await(ctx, peerReady); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}
