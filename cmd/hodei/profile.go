package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// contention is how much of it is sampled while profiles are served: one in
// this many mutex events, and one blocking event per that many nanoseconds.
const (
	mutexFraction = 5
	blockRate     = 10_000
)

// profile serves the runtime's profiles under /debug/pprof/ on addr, if there
// is one, until the process ends, and says where. It is for the bench and for
// those who look for what a role spends: --pprof, or HODEI_PPROF, of any role.
func profile(addr string, screen io.Writer) error {
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve profiles: %w", err)
	}
	runtime.SetMutexProfileFraction(mutexFraction)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	// The embedded nats-server, as it starts, sets the rate to its own option,
	// 0: so blocking is sampled from the first request on.
	sampled := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runtime.SetBlockProfileRate(blockRate)
		mux.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: sampled, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // it ends with the process
	_, err = fmt.Fprintf(screen, "pprof http://%s/debug/pprof/\n", l.Addr())
	return err
}
