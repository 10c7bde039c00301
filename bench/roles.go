package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/hodei-jobs/hodei/internal/local"
)

// roles is Hodei with each role as a separate process, on NATS and Postgres as
// processes.
type roles struct {
	system
	dir      string
	monitor  string // URL of the monitoring of NATS
	postgres *local.Postgres
	server   *proc
	procs    []*proc // the roles, in the order they were started
}

var natsReady = regexp.MustCompile(`ready (nats://\S+) (http://\S+)`)
var roleReady = regexp.MustCompile(`(?m)^ready [a-z-]+(?: (http://\S+))?`)

// servers starts NATS and Postgres only.
func (b *bench) servers(ctx context.Context) (r *roles, err error) {
	r = &roles{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	if r.dir, err = os.MkdirTemp(b.dir, "roles"); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	if r.server, err = start("nats-server", self, "nats", filepath.Join(r.dir, "nats")); err != nil {
		return r, err
	}
	found, err := r.server.await(ctx, natsReady)
	if err != nil {
		return r, err
	}
	r.monitor = found[2]
	if r.postgres, err = b.cluster(ctx, filepath.Join(r.dir, "pg")); err != nil {
		return r, err
	}
	r.system = system{nats: found[1], database: r.postgres.URL(), printed: r.words, counts: r.count}
	return r, nil
}

// serveNATS runs the server of `hodei up` as a separate process.
func serveNATS(ctx context.Context, dir string) error {
	srv, err := local.StartNATS(local.NATSConfig{StoreDir: dir, Monitor: true})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready", srv.URL(), srv.MonitorURL())
	<-ctx.Done()
	srv.Shutdown()
	return nil
}

// add starts a role and waits until it is ready.
func (r *roles) add(ctx context.Context, b *bench, name string, flags ...string) (*proc, error) {
	args := append([]string{name, "--nats", r.nats, "--log-level", "warn", "--pprof", "127.0.0.1:0"}, flags...)
	if name != "edge" && name != "worker" {
		args = append(args, "--database-url", r.database)
	}
	p, err := start(name, b.hodei, args...)
	if err != nil {
		return nil, err
	}
	r.procs = append(r.procs, p)
	found, err := p.await(ctx, roleReady)
	if err == nil && name == "edge" {
		r.bases = append(r.bases, found[1])
	}
	return p, err
}

// spread starts this many instances of each service, and workers that share the
// slots.
func (r *roles) spread(ctx context.Context, b *bench, services, workers int) error {
	for range services {
		// The worker manager creates the bucket that a scheduler waits for.
		for _, name := range []string{"worker-manager", "orchestrator", "scheduler"} {
			if _, err := r.add(ctx, b, name); err != nil {
				return err
			}
		}
		if _, err := r.add(ctx, b, "artifacts", "--artifacts", filepath.Join(r.dir, "artifacts")); err != nil {
			return err
		}
		if _, err := r.add(ctx, b, "edge", "--port-base", "0"); err != nil {
			return err
		}
	}
	for i := range workers {
		n := strconv.Itoa(i + 1)
		_, err := r.add(ctx, b, "worker", "--name", "w"+n, "--capacity", strconv.Itoa(slots/workers), "--state-dir", filepath.Join(r.dir, "w"+n))
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *roles) words() string {
	text := ""
	for _, p := range r.procs {
		text += p.words()
	}
	return text
}

// stop stops the workers first and the servers last.
func (r *roles) stop() error {
	var errs []error
	for i := len(r.procs) - 1; i >= 0; i-- {
		errs = append(errs, r.procs[i].stop())
	}
	if r.server != nil {
		errs = append(errs, r.server.stop())
	}
	if r.postgres != nil {
		r.postgres.Stop()
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}
