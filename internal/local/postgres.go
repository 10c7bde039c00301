package local

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// PostgresConfig says where the data is. Dir is required; it is made where it
// is missing and belongs to Postgres alone.
type PostgresConfig struct {
	Dir string
	Log *slog.Logger
	// Unsafe gives up durability for speed (no fsync), for tests.
	Unsafe bool
}

// Postgres is a server on this machine that is kept running. It listens on a
// unix socket in a private directory only.
type Postgres struct {
	cluster *cluster
	log     *slog.Logger
	release func()
	stop    context.CancelFunc
	done    chan struct{}
}

// StartPostgres makes the data directory on first use, starts the server and
// returns once it takes connections; ctx bounds the start only. From then on a
// server that dies is started again, as often as needed, until Stop. When this
// process is killed the kernel stops the server too (Linux).
//
// A directory that another process uses and data of another major version are
// a CONFLICT, no Postgres on the machine is UNAVAILABLE.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	release, err := LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	c, err := openCluster(dir, cfg.Unsafe)
	if err != nil {
		release()
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Postgres{
		cluster: c, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		release: release, stop: stop, done: make(chan struct{}),
	}
	started := make(chan error, 1)
	go p.supervise(life, started)
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("start Postgres in %s: %w", dir, err)
	}
	return p, nil
}

// URL is how pgx reaches the server's one database. It stays the same for the
// life of p.
func (p *Postgres) URL() string { return p.cluster.url() }

// Stop ends the server: connections are cut, what is committed is written
// down. It returns when the server is gone and may be called again.
func (p *Postgres) Stop() {
	p.stop()
	<-p.done
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// tries of the first start: where a postmaster was killed outright, its
	// children hold on to its memory for a moment.
	tries = 5
)

// supervise keeps a postmaster running until ctx is done. started hears once
// that it is up or why it will not be. The goroutine keeps its thread to itself
// because the kernel ties Pdeathsig to the thread that forked, not the process.
func (p *Postgres) supervise(ctx context.Context, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer p.release()
	defer p.cluster.close()
	if err := p.cluster.initialize(ctx); err != nil {
		started <- err
		return
	}
	served := false
	for try, pause := 1, firstPause; ; try++ {
		began := time.Now()
		err := p.run(ctx, func() {
			if !served {
				served = true
				started <- nil
			}
		})
		if ctx.Err() != nil {
			return
		}
		if !served && try == tries {
			started <- p.cluster.unusable(err)
			return
		}
		if time.Since(began) > time.Minute {
			pause = firstPause
		}
		p.log.Warn("postgres ended, starting it again", "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		}
	}
}

// run starts one postmaster, calls up when it takes connections, and returns
// when it is gone: nil when ctx ended it, else why.
func (p *Postgres) run(ctx context.Context, up func()) error {
	if err := p.cluster.vacate(ctx); err != nil {
		return err
	}
	words := &postgresLog{log: p.log}
	cmd := p.cluster.command(context.WithoutCancel(ctx), syscall.SIGINT, "postgres", p.cluster.settings()...)
	cmd.Stdout, cmd.Stderr = words, words
	cmd.WaitDelay = haltTime // orphans of a killed postmaster may hold on to the pipe
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	waiting := poll.C
	for {
		select {
		case <-waiting:
			if pid, ready := p.cluster.postmaster(); ready && pid == cmd.Process.Pid {
				waiting = nil
				up()
			}
		case err := <-exited:
			return words.explain(err)
		case <-ctx.Done():
			halt(cmd, exited)
			return nil
		}
	}
}

const haltTime = 20 * time.Second

// halt asks for a fast stop (connections are cut, a checkpoint written), then
// for an immediate one, and in the end does not ask.
func halt(cmd *exec.Cmd, exited <-chan error) {
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		// It fails only where the process is gone, which exited tells.
		_ = cmd.Process.Signal(signal)
		select {
		case <-exited:
			return
		case <-time.After(haltTime):
		}
	}
	<-exited
}
