package main

import (
	"log/slog"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// edgeFlags are where HTTP is served, and to whom.
type edgeFlags struct {
	host                string
	portBase            int
	insecure            bool
	allowedHosts        []string
	streams, streamsOne int
}

func (f *edgeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "127.0.0.1", "address to listen on; one that is not loopback needs --insecure")
	flags.IntVar(&f.portBase, "port-base", 8080, "first of three HTTP ports; 0 takes free ones")
	flags.BoolVar(&f.insecure, "insecure", false, "let every client that reaches --host run commands: there is no access control yet")
	flags.StringSliceVar(&f.allowedHosts, "allowed-host", nil, "name by which clients may call this server, beside localhost; may be repeated")
	flags.IntVar(&f.streams, "max-streams", edge.MaxStreams, "how many streams of logs and events may be open; further ones are answered 503")
	flags.IntVar(&f.streamsOne, "max-streams-per-client", 0, "how many of them one address may have open; 0: as many as in all")
}

// config is the edge, unless it would be open to clients that it must not be.
func (f *edgeFlags) config(log *slog.Logger) (*edge.Config, error) {
	switch {
	case f.streams < 1 || f.streamsOne < 0:
		return nil, cmdline.Usagef("--max-streams must be at least 1, --max-streams-per-client not negative")
	case !f.insecure && !loopback(f.host):
		return nil, cmdline.Usagef("--host %s: every client that reaches this address could run commands here, because there is no access "+
			"control yet; listen on 127.0.0.1, or accept that with --insecure", f.host)
	}
	if !loopback(f.host) {
		log.Warn("every client that reaches this address can run commands here (--insecure)", "host", f.host)
	}
	cfg := &edge.Config{
		Host: f.host, AllowedHosts: f.allowedHosts, MaxStreams: f.streams, MaxStreamsPerClient: f.streamsOne,
	}
	if f.portBase != 0 {
		cfg.Orchestrator, cfg.Scheduler, cfg.WorkerManager = f.portBase, f.portBase+1, f.portBase+2
	}
	return cfg, nil
}

// loopback reports whether only programs of this machine reach the address.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
