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

// contention is the sampling rate while profiles are served: one in this many
// mutex events, and one blocking event per this many nanoseconds.
const (
	mutexFraction = 5
	blockRate     = 10_000
)

// profile serves the runtime's profiles under /debug/pprof/ on addr until the
// process ends, and prints the URL. It does nothing without an addr. The bench
// and operators use it: --pprof, or HODEI_PPROF, of any role.
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
	// The embedded nats-server resets the rate to its own option, 0, when it
	// starts, so sampling of blocking starts with the first request.
	sampled := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runtime.SetBlockProfileRate(blockRate)
		mux.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: sampled, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with the process
	_, err = fmt.Fprintf(screen, "pprof http://%s/debug/pprof/\n", l.Addr())
	return err
}
