package main

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/system"
)

// edgeFlags configure the HTTP server and its clients.
type edgeFlags struct {
	host                string
	portBase            int
	insecure, auth      bool
	allowedHosts        []string
	tlsCert, tlsKey     string
	proxies             []string
	streams, streamsOne int
	connsOne            int
	perToken, perAddr   int
	oidc                oidcFlags
}

func (f *edgeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "127.0.0.1", "address to listen on; requires --auth (or --insecure) if it is not a loopback address")
	flags.IntVar(&f.portBase, "port-base", 8080, "first of three HTTP ports; 0 chooses free ones")
	flags.BoolVar(&f.insecure, "insecure", false, "allow every client that reaches --host to run commands, without --auth")
	flags.BoolVar(&f.auth, "auth", false, "require a token, or a session of the console, for everything but health")
	flags.StringSliceVar(&f.allowedHosts, "allowed-host", nil, "host name that clients may use besides localhost; repeatable")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "file with the certificate of the server and its chain, in PEM: serve HTTPS; read again when it changes")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file with the key of --tls-cert, in PEM")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "network, such as 10.0.0.0/8, of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; repeatable")
	flags.IntVar(&f.streams, "max-streams", edge.MaxStreams, "limit of open streams of logs and events; more are answered with 503")
	flags.IntVar(&f.connsOne, "max-connections-per-client", 0, "limit of open connections of one client address; 0: no separate limit")
	flags.IntVar(&f.perToken, "rate-per-token", 1000, "with --auth, requests a second with one token, twice as many at once; more are answered with 429; 0: no limit")
	flags.IntVar(&f.perAddr, "rate-per-address", 5000, "with --auth, the same for one client address, with or without a token")
	f.oidc.add(flags)
	flags.IntVar(&f.streamsOne, "max-streams-per-client", 0, "limit of open streams of one client address; 0: no separate limit")
}

func (f *edgeFlags) set(_ context.Context, cfg *system.Config) (err error) {
	cfg.Edge, err = f.config(cfg.Log)
	return err
}

// config returns the edge's configuration, unless it would be open to other
// machines without --insecure.
func (f *edgeFlags) config(log *slog.Logger) (*edge.Config, error) {
	switch {
	case f.streams < 1 || f.streamsOne < 0:
		return nil, cmdline.Usagef("--max-streams must be at least 1, --max-streams-per-client not negative")
	case f.connsOne < 0 || f.perToken < 0 || f.perAddr < 0:
		return nil, cmdline.Usagef("--max-connections-per-client, --rate-per-token and --rate-per-address must not be negative")
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return nil, cmdline.Usagef("--tls-cert and --tls-key belong together")
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
		TLSCert: f.tlsCert, TLSKey: f.tlsKey, MaxConnsPerClient: f.connsOne,
	}
	if f.auth {
		cfg.RatePerToken, cfg.RatePerAddress = f.perToken, f.perAddr
	}
	var err error
	if cfg.OIDC, err = f.oidc.config(f.auth); err != nil {
		return nil, err
	}
	for _, text := range f.proxies {
		network, err := parseNetwork("trusted-proxy", text)
		if err != nil {
			return nil, err
		}
		cfg.TrustedProxies = append(cfg.TrustedProxies, network)
	}
	if f.portBase != 0 {
		cfg.Orchestrator, cfg.Scheduler, cfg.WorkerManager = f.portBase, f.portBase+1, f.portBase+2
	}
	return cfg, nil
}

// parseNetwork reads a network, or one address.
func parseNetwork(flag, text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, cmdline.Usagef("--%s %s: an address or a network such as 10.0.0.0/8 required", flag, text)
	}
	return network.Masked(), nil
}

// loopback reports whether only programs of this machine can reach the address.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
