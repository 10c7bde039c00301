package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rates"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// MaxStreams is the default limit of open streams. A stream takes about 35 KiB,
// so the limit is about 200 MiB.
const MaxStreams = 6000

// Config configures an Edge. NATS is required.
type Config struct {
	NATS *nats.Conn
	// Host is the address to listen on. Default: 127.0.0.1.
	Host string
	// Orchestrator, Scheduler and WorkerManager are the ports. 0 chooses a free
	// one.
	Orchestrator, Scheduler, WorkerManager int
	Log                                    *slog.Logger
	Version                                string // SemVer
	// KeepAlive is how long a stream may be silent before the edge sends a
	// comment. Default: 15 s.
	KeepAlive time.Duration
	// EventBytes bounds the backlog of events that all readers share. A reader
	// that falls further behind is disconnected. Default: 8 MiB.
	EventBytes int
	// MaxStreams limits the open streams in total (default: the constant
	// MaxStreams), MaxStreamsPerClient those of one address (default: no
	// separate limit).
	MaxStreams, MaxStreamsPerClient int
	// AllowedHosts are further host names that clients may use, besides
	// loopback names, Host and the address that the client connected to.
	AllowedHosts []string
	// TLSCert and TLSKey are files; with them the ports serve HTTPS. They are read again
	// when they change.
	TLSCert, TLSKey string
	// TrustedProxies are the proxies whose X-Forwarded-For and X-Forwarded-Proto are used.
	TrustedProxies []netip.Prefix
	// OIDC lets people sign in to the console with their provider; nil for tokens alone.
	OIDC *OIDC
	// Patience is the limit for sending a request, and for reading an answer
	// that is not a stream. Default: 30 s.
	Patience time.Duration
	// MaxConns limits the open connections. Default: derived from the limit of
	// file descriptors, at most 16384.
	MaxConns int
	// MaxConnsPerClient limits the connections of one address (default: no separate limit). It
	// does not apply to trusted proxies.
	MaxConnsPerClient int
	// RatePerToken and RatePerAddress limit the requests a second with one token and from one
	// address; the burst is twice as many. 0 means no limit.
	RatePerToken, RatePerAddress int
	// Auth requires a token or a session for everything but health and the page of
	// the console.
	Auth bool
	// Grace is how long a stop waits for requests in flight. Default: 10 s.
	Grace time.Duration
}

// Edge is one instance of the HTTP gateway. Start it with Run.
type Edge struct {
	cfg     Config
	metrics *metrics
	callers *callers
	ready   chan struct{}
	listens [3]net.Listener
	hosts   []string
	cert    *certificate // nil without TLS
	conns   atomic.Int64 // open now
	of      connections
	// perToken and perAddress are nil without a limit.
	perToken   *rates.Rates[hodei.TokenID]
	perAddress *rates.Rates[netip.Prefix]
	checks     singleflight.Group // of the health
	signIns    *signIns           // nil without OIDC
	// receiving has one element for each message to a hook that is being verified.
	receiving chan struct{}
	hooks     hookRoom
	devices   *rates.Rates[netip.Prefix]
	// downloads has one element for each artifact that is being downloaded.
	downloads chan struct{}
}

// New returns an edge that does not listen yet.
func New(cfg Config) *Edge {
	cfg.Host = cmp.Or(cfg.Host, "127.0.0.1")
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.KeepAlive, cfg.Grace = cmp.Or(cfg.KeepAlive, 15*time.Second), cmp.Or(cfg.Grace, 10*time.Second)
	cfg.EventBytes, cfg.MaxStreams = cmp.Or(cfg.EventBytes, 8<<20), cmp.Or(cfg.MaxStreams, MaxStreams)
	cfg.MaxStreamsPerClient = cmp.Or(cfg.MaxStreamsPerClient, cfg.MaxStreams)
	cfg.Patience, cfg.MaxConns = cmp.Or(cfg.Patience, 30*time.Second), cmp.Or(cfg.MaxConns, connLimit())
	e := &Edge{cfg: cfg, metrics: newMetrics(cfg), callers: newCallers(cfg.NATS), ready: make(chan struct{}), hosts: hosts(cfg)}
	e.downloads = make(chan struct{}, maxDownloads)
	e.receiving = make(chan struct{}, maxHooks)
	e.hooks.of = map[netip.Prefix]int{}
	e.signIns, e.devices = newSignIns(cfg.OIDC), rates.New[netip.Prefix](1/deviceEvery.Seconds(), devicesAtOnce)
	e.of = connections{most: cfg.MaxConnsPerClient, of: map[netip.Prefix]int{}}
	e.perToken, e.perAddress = rates.PerSecond[hodei.TokenID](cfg.RatePerToken), rates.PerSecond[netip.Prefix](cfg.RatePerAddress)
	e.metrics.countConns(&e.conns)
	return e
}

// Ready is closed when every port accepts requests.
func (e *Edge) Ready() <-chan struct{} { return e.ready }

// Listen opens the three ports. Run calls it if the caller did not. Call it
// first to find out early that a port is taken.
func (e *Edge) Listen() (err error) {
	if e.cfg.TLSCert != "" && e.cert == nil {
		if e.cert, err = newCertificate(e.cfg.TLSCert, e.cfg.TLSKey, e.cfg.Log); err != nil {
			return err
		}
	}
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
			_ = l.Close() // no requests were served
			e.listens[i] = nil
		}
	}
}

// Scheme returns the scheme of the addresses: http, or https with a certificate.
func (e *Edge) Scheme() string {
	if e.cfg.TLSCert != "" {
		return "https"
	}
	return "http"
}

// Addrs returns the addresses of the orchestrator's, scheduler's and worker
// manager's port. They are empty before Listen.
func (e *Edge) Addrs() (addrs [3]string) {
	for i, l := range e.listens {
		if l != nil {
			addrs[i] = l.Addr().String()
		}
	}
	return addrs
}

// Run serves until ctx is done. It then ends the streams, completes the
// requests in flight and returns nil. It fails if a port is taken.
func (e *Edge) Run(ctx context.Context) error {
	if err := e.Listen(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	feeds := newLogFeeds(ctx, e.cfg)
	defer feeds.close() // after the last stream
	hub := newHub(ctx, e.cfg)
	defer hub.close() // after the last stream
	runs := newRunFeeds(ctx, e.cfg, hub)
	defer runs.close() // after the last stream
	open, memory := newStreamCount(e.cfg, e.metrics.streams), newRooms()
	logs := &streams{cfg: e.cfg, feeds: feeds, runs: runs, metrics: e.metrics, open: open, rooms: memory}
	events := &eventStreams{cfg: e.cfg, hub: hub, open: open}
	handler, err := e.routes(logs, events)
	if err != nil {
		return err
	}
	if e.cfg.Auth {
		stop, err := e.callers.subscribe() // before it is ready: without the permission it does not start
		if err != nil {
			return err
		}
		defer stop()
		group.Go(func() error { e.callers.follow(ctx); return nil })
	}
	for i := range e.listens {
		srv := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       e.cfg.Patience,                  // lifted after the request was read
			WriteTimeout:      e.cfg.Patience + 90*time.Second, // until the answer begins, which sets its own
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

// serve serves one listener until ctx is done and the requests in flight are
// complete. Streams end at the same time because their feeds use the same ctx.
func (e *Edge) serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.Grace)
		defer cancel()
		drained <- srv.Shutdown(grace)
	})
	serve := srv.Serve
	if e.cert != nil {
		srv.TLSConfig = e.cert.tlsConfig()
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		_ = srv.Close() // the error of Serve is more precise
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	if err := <-drained; err != nil {
		e.cfg.Log.Warn("requests cut short by the stop", "addr", l.Addr(), "err", err)
		return srv.Close()
	}
	return nil
}
