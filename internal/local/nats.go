package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// NATSConfig contains the differences from nats.conf. StoreDir is required.
type NATSConfig struct {
	Host     string // 127.0.0.1 when empty
	Port     int    // any free one when 0
	StoreDir string // where JetStream keeps its files
	Monitor  bool   // serve nats-server's monitoring, see MonitorURL
	Log      *slog.Logger
	// Conf is appended to nats.conf; it may have a block with users.
	Conf string
	// User and Password are a user in Conf with which this process connects; "" if Conf has no
	// users.
	User, Password string
}

// NATS is a nats-server in this process.
type NATS struct {
	srv            *server.Server
	url            string
	user, password string
}

// StartNATS starts the server and returns when it accepts connections. Stop it
// with Shutdown.
func StartNATS(cfg NATSConfig) (*NATS, error) {
	opts, err := natsOptions(cfg)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	log := &natsLog{log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), fatal: make(chan string, 1)}
	srv.SetLoggerV2(log, false, false, false)
	go srv.Start()
	if err := log.ready(srv); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("start NATS with the store %s: %w", cfg.StoreDir, err)
	}
	addr := srv.Addr().(*net.TCPAddr)
	host := opts.Host
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return &NATS{srv: srv, url: "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)), user: cfg.User, password: cfg.Password}, nil
}

// natsOptions reads nats.conf and applies the configuration.
func natsOptions(cfg NATSConfig) (*server.Options, error) {
	opts := &server.Options{}
	if err := opts.ProcessConfigString(string(hodei.NATSConf) + cfg.Conf); err != nil {
		return nil, fmt.Errorf("read nats.conf: %w", err)
	}
	opts.Host, opts.Port, opts.StoreDir = cmp.Or(cfg.Host, "127.0.0.1"), cfg.Port, cfg.StoreDir
	opts.NoSigs = true            // the process handles signals
	opts.AlwaysEnableNonce = true // for workers that prove themselves with a key
	if cfg.Monitor {
		opts.HTTPHost, opts.HTTPPort = "127.0.0.1", server.RANDOM_PORT
	}
	if cfg.Port == 0 {
		opts.Port = server.RANDOM_PORT
		return opts, nil
	}
	// Probe the port first, because the server would only log that it is taken.
	probe, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d on %s, wanted for NATS, is taken: --nats-port chooses another", opts.Port, opts.Host)
	case err != nil:
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	return opts, probe.Close()
}

// URL returns the server's URL for clients on this machine.
func (n *NATS) URL() string { return n.url }

// MonitorURL returns the URL of nats-server's monitoring, such as /varz, "" without it.
func (n *NATS) MonitorURL() string {
	if addr := n.srv.MonitorAddr(); addr != nil {
		return "http://" + addr.String()
	}
	return ""
}

// Connect connects in memory, without the network stack.
func (n *NATS) Connect(name string, log *slog.Logger, opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{nats.InProcessServer(n.srv)}
	if n.user != "" {
		own = append(own, nats.UserInfo(n.user, n.password))
	}
	return rpc.Connect(n.url, name, log, append(own, opts...)...)
}

// Shutdown stops the server and returns when its files are closed.
func (n *NATS) Shutdown() {
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
}

// natsLog forwards the server's log to slog. The server expects its logger to
// exit on a fatal message; here the message becomes the error of the start.
type natsLog struct {
	log   *slog.Logger
	fatal chan string // the first is the cause
}

const natsStart = 30 * time.Second // mostly for opening a large store

func (l *natsLog) ready(srv *server.Server) error {
	ready := make(chan bool, 1)
	go func() { ready <- srv.ReadyForConnections(natsStart) }()
	select {
	case cause := <-l.fatal:
		return errors.New(cause)
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("not ready within %s", natsStart)
		}
		return nil
	}
}

func (l *natsLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *natsLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *natsLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l *natsLog) Debugf(string, ...any)           {}
func (l *natsLog) Tracef(string, ...any)           {}

func (l *natsLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
		l.write(slog.LevelError, format, v)
	}
}

func (l *natsLog) write(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, fmt.Sprintf(format, v...), "server", "nats")
}
