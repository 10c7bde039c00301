package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// MaxStreams is how many streams may be open unless the configuration has another
// number. Each takes some 35 KiB, so all of them 200 MiB.
const MaxStreams = 6000

// Config is what an Edge needs. NATS is required.
type Config struct {
	NATS *nats.Conn
	// Host is the address to listen on; 127.0.0.1 when empty.
	Host string
	// Orchestrator, Scheduler and WorkerManager are ports; any free one when 0.
	Orchestrator, Scheduler, WorkerManager int
	Log                                    *slog.Logger
	Version                                string // SemVer
	// KeepAlive is how long a stream says nothing before it sends a comment;
	// 15 s when 0.
	KeepAlive time.Duration
	// EventBytes is how much of the last events is kept for all readers of the
	// stream of events; one that falls further behind is cut. 8 MiB when 0.
	EventBytes int
	// MaxStreams is how many streams may be open, MaxStreamsPerClient how many
	// from one address; MaxStreams when 0, and as many as in all.
	MaxStreams, MaxStreamsPerClient int
	// AllowedHosts are the names by which clients may call this server, beside
	// those of loopback, Host and the address they connect to.
	AllowedHosts []string
	// Patience is how long a client may take to send its request, and to read an
	// answer that is not a stream; 30 s when 0.
	Patience time.Duration
	// MaxConns is how many connections may be open; what the process may have
	// descriptors for when 0, and at most 16384.
	MaxConns int
	// Grace is how long a stop waits for requests in flight; 10 s when 0.
	Grace time.Duration
}

// Edge is one instance of the HTTP face. Run it.
type Edge struct {
	cfg     Config
	metrics *metrics
	ready   chan struct{}
	listens [3]net.Listener
	hosts   []string
	conns   atomic.Int64 // open now
}

// New returns an edge that does not listen yet.
func New(cfg Config) *Edge {
	cfg.Host = cmp.Or(cfg.Host, "127.0.0.1")
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.KeepAlive, cfg.Grace = cmp.Or(cfg.KeepAlive, 15*time.Second), cmp.Or(cfg.Grace, 10*time.Second)
	cfg.EventBytes, cfg.MaxStreams = cmp.Or(cfg.EventBytes, 8<<20), cmp.Or(cfg.MaxStreams, MaxStreams)
	cfg.MaxStreamsPerClient = cmp.Or(cfg.MaxStreamsPerClient, cfg.MaxStreams)
	cfg.Patience, cfg.MaxConns = cmp.Or(cfg.Patience, 30*time.Second), cmp.Or(cfg.MaxConns, connLimit())
	e := &Edge{cfg: cfg, metrics: newMetrics(cfg), ready: make(chan struct{}), hosts: hosts(cfg)}
	e.metrics.countConns(&e.conns)
	return e
}

// Ready is closed once every port answers.
func (e *Edge) Ready() <-chan struct{} { return e.ready }

// Listen takes the three ports. Run does so itself where it was not called; on
// its own it tells early of a port that is taken.
func (e *Edge) Listen() error {
	for i, port := range []int{e.cfg.Orchestrator, e.cfg.Scheduler, e.cfg.WorkerManager} {
		if e.listens[i] != nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(e.cfg.Host, strconv.Itoa(port)))
		if err != nil {
			e.close()
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("port %d on %s is taken: choose others with --port-base", port, e.cfg.Host)
			}
			return fmt.Errorf("listen on port %d of %s (--port-base chooses others): %w", port, e.cfg.Host, err)
		}
		e.listens[i] = l
	}
	return nil
}

func (e *Edge) close() {
	for i, l := range e.listens {
		if l != nil {
			_ = l.Close() // nothing was served on it
			e.listens[i] = nil
		}
	}
}

// Addrs are the addresses of the orchestrator's, the scheduler's and the
// worker manager's port, "" before Listen.
func (e *Edge) Addrs() (addrs [3]string) {
	for i, l := range e.listens {
		if l != nil {
			addrs[i] = l.Addr().String()
		}
	}
	return addrs
}

// Run serves until ctx is done, then ends the streams, answers what is in
// flight and returns nil. It fails when a port cannot be had.
func (e *Edge) Run(ctx context.Context) error {
	if err := e.Listen(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	feeds := newFeeds(ctx, e.cfg)
	defer feeds.close() // after the last stream
	hub := newHub(ctx, e.cfg)
	defer hub.close() // likewise
	open, memory := newStreamCount(e.cfg, e.metrics.streams), newRooms()
	logs := &streams{cfg: e.cfg, feeds: feeds, metrics: e.metrics, open: open, rooms: memory}
	events := &eventStreams{cfg: e.cfg, hub: hub, open: open}
	handler, err := e.routes(logs, events)
	if err != nil {
		return err
	}
	for i := range e.listens {
		srv := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       e.cfg.Patience,                  // lifted once the request has been read
			WriteTimeout:      e.cfg.Patience + 90*time.Second, // until an answer begins, which has its own
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    maxHeader,
			ConnContext:       withConn,
			ConnState:         e.connState,
			ErrorLog:          slog.NewLogLogger(e.cfg.Log.Handler(), slog.LevelDebug),
		}
		group.Go(func() error { return e.serve(ctx, srv, e.listens[i]) })
	}
	seen := rpc.New(rpc.Config{
		NATS: e.cfg.NATS, Name: schemas.Edge, Description: "HTTP: REST and server-sent events",
		Version: e.cfg.Version, Log: e.cfg.Log,
	})
	group.Go(func() error { return seen.Run(ctx) })
	group.Go(func() error {
		select {
		case <-seen.Ready():
			close(e.ready)
		case <-ctx.Done():
		}
		return nil
	})
	return group.Wait()
}

// serve answers on one listener until ctx is done and what is in flight is
// answered. Streams end because their feeds do, at the same ctx.
func (e *Edge) serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.Grace)
		defer cancel()
		drained <- srv.Shutdown(grace)
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		_ = srv.Close() // the error of Serve is the one to tell
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	if err := <-drained; err != nil {
		e.cfg.Log.Warn("requests cut short by the stop", "addr", l.Addr(), "err", err)
		return srv.Close()
	}
	return nil
}
