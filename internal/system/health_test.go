package system_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/schemas"
)

// look asks a health address.
func look(t *testing.T, addr, path string) (status int, body []byte) {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

func ready(t *testing.T, addr string) (int, schemas.Readiness) {
	t.Helper()
	status, body := look(t, addr, "/readyz")
	var found schemas.Readiness
	require.NoError(t, json.Unmarshal(body, &found), string(body))
	return status, found
}

// TestHealthAddr: a process that runs services, and one that runs a worker only,
// answer for themselves.
func TestHealthAddr(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	all := config(t, srv, 1)
	services, workers := all, system.Config{Connect: all.Connect, Version: all.Version, Log: all.Log, Workers: all.Workers}
	services.Workers, services.Edge = nil, nil
	services.HealthAddr, workers.HealthAddr = freeAddr(t), freeAddr(t)
	stopWorkers, _ := begin(t, workers)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", workers.HealthAddr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	status, found := ready(t, workers.HealthAddr)
	require.Equal(t, 503, status, "no worker manager has registered the worker")
	require.Equal(t, map[string]string{"nats": "ok", "worker": "starting"}, found.Checks)

	stopServices, servicesReady := begin(t, services)
	<-servicesReady
	status, found = ready(t, services.HealthAddr)
	require.Equal(t, 200, status, found)
	for _, check := range []string{"nats", "orchestrator", "orchestrator.postgres", "scheduler", "worker-manager", "worker-manager.streams"} {
		require.Equal(t, "ok", found.Checks[check], check)
	}

	require.Eventually(t, func() bool {
		status, found = ready(t, workers.HealthAddr)
		return status == 200
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, map[string]string{"nats": "ok", "worker": "ok", "worker.registered": "ok", "worker.disk": "ok"}, found.Checks)
	for _, addr := range []string{services.HealthAddr, workers.HealthAddr} {
		status, body := look(t, addr, "/healthz")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"status":"ok"}`, string(body))
		status, body = look(t, addr, "/metrics")
		require.Equal(t, 200, status)
		require.Contains(t, string(body), "hodei_nats_connected 1")
		require.Contains(t, string(body), `hodei_build_info{version="0.0.1"} 1`)
		status, _ = look(t, addr, "/jobs")
		require.Equal(t, 404, status)
	}
	require.NoError(t, stopWorkers())
	require.NoError(t, stopServices())
}

// begin runs a system without an edge until stop.
func begin(t *testing.T, cfg system.Config) (stop func() error, ready <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- system.Run(ctx, cfg, func(*system.System) { close(up) }) }()
	return func() error { cancel(); return <-ended }, up
}

// freeAddr is an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
