package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hodei-jobs/hodei/schemas"
)

// Listen takes the address of --health-addr.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (--health-addr): %w", addr, err)
	}
	return l, nil
}

// Serve answers on the listener until ctx is done.
func Serve(ctx context.Context, l net.Listener, registry *prometheus.Registry, check func(context.Context) schemas.Health) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", Live)
	mux.HandleFunc("GET /readyz", Ready(check))
	mux.Handle("GET /metrics", Metrics(registry))
	srv := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // the error of Serve is returned
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health on %s: %w", l.Addr(), err)
	}
	return nil
}
