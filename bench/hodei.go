package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// proc is a process with its standard error.
type proc struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // the error of its end

	mu      sync.Mutex
	printed strings.Builder
	// received gets a signal for each line.
	received chan struct{}
}

// stopTime is how long a process may take to end before it is killed.
const stopTime = 30 * time.Second

// start starts a program. It ends with stop, or with the bench.
func start(name, path string, args ...string) (*proc, error) {
	p := &proc{name: name, cmd: exec.Command(path, args...), ended: make(chan struct{}), received: make(chan struct{}, 1)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = append(os.Environ(), "HODEI_LOG_LIMIT=10GiB") // two million lines exceed the default; earlier versions ignore it
	out, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.listen(out)
	return p, nil
}

func (p *proc) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		if p.printed.Len() < 1<<20 {
			p.printed.WriteString(lines.Text() + "\n")
		}
		p.mu.Unlock()
		select {
		case p.received <- struct{}{}:
		default:
		}
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *proc) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.printed.String()
}

// await waits until the output matches the expression, and returns its groups.
func (p *proc) await(ctx context.Context, what *regexp.Regexp) ([]string, error) {
	for {
		if m := what.FindStringSubmatch(p.words()); m != nil {
			return m, nil
		}
		select {
		case <-p.received:
		case <-p.ended:
			return nil, fmt.Errorf("%s ended: %v\n%s", p.name, p.err, p.words())
		case <-ctx.Done():
			return nil, fmt.Errorf("%s did not print %s: %w\n%s", p.name, what, ctx.Err(), p.words())
		}
	}
}

// stop sends SIGTERM, then SIGKILL.
func (p *proc) stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(signal) // it may have ended
		select {
		case <-p.ended:
			if signal == syscall.SIGKILL {
				return fmt.Errorf("%s did not stop within %s", p.name, stopTime)
			}
			return nil
		case <-time.After(stopTime):
		}
	}
	return fmt.Errorf("%s does not end", p.name)
}

// system is a running Hodei.
type system struct {
	bases          []string // URLs of its edges
	nats, database string
	pprof          string                                   // "" if profiles are not served
	printed        func() string                            // returns the output of its processes
	pids           []int                                    // of its processes, if their usage is measured
	counts         func(context.Context) (*counters, error) // see count
}

// hodei is `hodei up` with its data.
type hodei struct {
	*proc
	system
	base  string        // the one edge
	ready time.Duration // since its start
}

var screen = regexp.MustCompile(`(?s)ready\n.*orchestrator +(http\S+).*nats +(nats\S+).*Ctrl-C`)
var profiles = regexp.MustCompile(`pprof (http\S+)`)

// up starts `hodei up` on a data directory.
func (b *bench) up(ctx context.Context, dir string, flags ...string) (*hodei, error) {
	args := append([]string{"up", "--data-dir", dir, "--port-base", "0", "--nats-port", "0"}, flags...)
	if b.profile != "" {
		args = append(args, "--pprof", "127.0.0.1:0")
	}
	began := time.Now()
	p, err := start("hodei up", b.hodei, args...)
	if err != nil {
		return nil, err
	}
	h := &hodei{proc: p, system: system{
		database: socketURL(filepath.Join(dir, "postgres", "socket")), printed: p.words, pids: []int{p.cmd.Process.Pid},
	}}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	found, err := p.await(ctx, screen)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	h.ready, h.base, h.nats = time.Since(began), found[1], found[2]
	h.bases = []string{h.base}
	if m := profiles.FindStringSubmatch(p.words()); m != nil {
		h.pprof = m[1]
	}
	if err := durable(ctx, h.database); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return h, nil
}

// fresh starts `hodei up` on an empty directory, which done removes.
func (b *bench) fresh(ctx context.Context, flags ...string) (h *hodei, done func() error, err error) {
	dir, err := os.MkdirTemp(b.dir, "up")
	if err != nil {
		return nil, nil, err
	}
	if err := b.prepare(ctx, dir); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	if h, err = b.up(ctx, dir, flags...); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return h, func() error { return errors.Join(h.stop(), os.RemoveAll(dir)) }, nil
}

// socketURL returns the URL of a Postgres of internal/local.
func socketURL(dir string) string {
	return "postgres:///postgres?" + url.Values{"host": {dir}, "port": {"5432"}, "user": {"hodei"}}.Encode()
}

// durable verifies that the server keeps acknowledged data.
func durable(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, setting := range settings {
		var value string
		if err := conn.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
			return err
		}
		if value != "on" {
			return fmt.Errorf("%s is %s", setting, value)
		}
	}
	return nil
}

// settings must be on in every measured Postgres.
var settings = []string{"fsync", "synchronous_commit", "full_page_writes"}
