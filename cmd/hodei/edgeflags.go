package main

import (
	"log/slog"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// edgeFlags configure the HTTP server and its clients.
type edgeFlags struct {
	host                string
	portBase            int
	insecure, auth      bool
	allowedHosts        []string
	streams, streamsOne int
}

func (f *edgeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "127.0.0.1", "address to listen on; requires --auth (or --insecure) if it is not a loopback address")
	flags.IntVar(&f.portBase, "port-base", 8080, "first of three HTTP ports; 0 chooses free ones")
	flags.BoolVar(&f.insecure, "insecure", false, "allow every client that reaches --host to run commands, without --auth")
	flags.BoolVar(&f.auth, "auth", false, "require a token, or a session of the console, for everything but health")
	flags.StringSliceVar(&f.allowedHosts, "allowed-host", nil, "host name that clients may use besides localhost; repeatable")
	flags.IntVar(&f.streams, "max-streams", edge.MaxStreams, "limit of open streams of logs and events; more are answered with 503")
	flags.IntVar(&f.streamsOne, "max-streams-per-client", 0, "limit of open streams of one client address; 0: no separate limit")
}

// config returns the edge's configuration, unless it would be open to other
// machines without --insecure.
func (f *edgeFlags) config(log *slog.Logger) (*edge.Config, error) {
	switch {
	case f.streams < 1 || f.streamsOne < 0:
		return nil, cmdline.Usagef("--max-streams must be at least 1, --max-streams-per-client not negative")
	case f.auth && f.insecure:
		return nil, cmdline.Usagef("--auth and --insecure exclude each other")
	case !f.insecure && !f.auth && !loopback(f.host):
		return nil, cmdline.Usagef("--host %s: every client that reaches this address could run commands here; require a token with --auth, "+
			"listen on 127.0.0.1, or accept it with --insecure", f.host)
	}
	if !loopback(f.host) && !f.auth {
		log.Warn("every client that reaches this address can run commands here (--insecure)", "host", f.host)
	}
	cfg := &edge.Config{
		Host: f.host, Auth: f.auth, AllowedHosts: f.allowedHosts, MaxStreams: f.streams, MaxStreamsPerClient: f.streamsOne,
	}
	if f.portBase != 0 {
		cfg.Orchestrator, cfg.Scheduler, cfg.WorkerManager = f.portBase, f.portBase+1, f.portBase+2
	}
	return cfg, nil
}

// loopback reports whether only programs of this machine can reach the address.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
