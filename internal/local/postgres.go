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

// PostgresConfig configures Postgres. Dir is required. It is created if it is
// missing, and must not be used for anything else.
type PostgresConfig struct {
	Dir string
	Log *slog.Logger
	// Unsafe disables fsync, for tests.
	Unsafe bool
}

// Postgres is a supervised server on this machine. It listens only on a unix
// socket in a private directory.
type Postgres struct {
	cluster *cluster
	log     *slog.Logger
	release func()
	stop    context.CancelFunc
	done    chan struct{}
}

// StartPostgres creates the data directory on first use, starts the server and
// returns when it accepts connections. ctx bounds the start only. Afterwards a
// server that dies is restarted until Stop. If this process is killed, the
// kernel stops the server too (Linux).
//
// It returns a CONFLICT if another process uses the directory or its data has
// another major version, and UNAVAILABLE if Postgres is not installed.
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

// URL returns the URL of the server's database for pgx. It stays the same for
// the life of p.
func (p *Postgres) URL() string { return p.cluster.url() }

// Stop ends the server: it closes connections and writes committed data to
// disk. It returns when the server has ended. Further calls do nothing.
func (p *Postgres) Stop() {
	p.stop()
	<-p.done
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// tries is the number of attempts of the first start. The children of a
	// killed postmaster keep its memory attached for a moment.
	tries = 5
)

// supervise runs a postmaster until ctx is done. It sends on started once: nil
// when the server is up, or the error of the start. The goroutine is locked to
// its thread, because the kernel ties Pdeathsig to the thread that forked, not
// to the process.
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

// run starts one postmaster, calls up when it accepts connections, and returns
// when it has ended: nil if ctx ended it, otherwise the reason.
func (p *Postgres) run(ctx context.Context, up func()) error {
	if err := p.cluster.vacate(ctx); err != nil {
		return err
	}
	words := &postgresLog{log: p.log}
	cmd := p.cluster.command(context.WithoutCancel(ctx), syscall.SIGINT, "postgres", p.cluster.settings()...)
	cmd.Stdout, cmd.Stderr = words, words
	cmd.WaitDelay = haltTime // orphans of a killed postmaster may keep the pipe open
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

// halt requests a fast stop (closes connections, writes a checkpoint), then an
// immediate one, and finally kills the server.
func halt(cmd *exec.Cmd, exited <-chan error) {
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		// An error means that the process has ended, which exited reports.
		_ = cmd.Process.Signal(signal)
		select {
		case <-exited:
			return
		case <-time.After(haltTime):
		}
	}
	<-exited
}
