package edge_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// metric returns the value of a series, "" if it is missing.
func (w *world) metric(t *testing.T, series string) string {
	resp := do(t, "GET", w.url("/metrics"), "")
	require.Equal(t, 200, resp.StatusCode)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (.*)$`).FindStringSubmatch(text(t, resp))
	if m == nil {
		return ""
	}
	return m[1]
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pipe := w.pipeline.String()
	for _, path := range []string{"/pipelines/" + pipe, "/api/v1/pipelines/" + pipe, "/pipelines/x"} {
		do(t, "GET", w.url(path), "")
	}
	do(t, "GET", w.url("/nothing/of/ours"), "")
	do(t, "PUT", w.url("/pipelines"), "")
	do(t, "BREW", w.url("/pipelines"), "")
	for series, want := range map[string]string{
		`hodei_http_requests_total{method="GET",route="/pipelines/{id}",status="200"}`:    "2",
		`hodei_http_requests_total{method="GET",route="/pipelines/{id}",status="404"}`:    "1",
		`hodei_http_requests_total{method="GET",route="none",status="404"}`:               "1",
		`hodei_http_requests_total{method="PUT",route="none",status="405"}`:               "1",
		`hodei_http_requests_total{method="other",route="none",status="405"}`:             "1",
		`hodei_http_request_duration_seconds_count{method="GET",route="/pipelines/{id}"}`: "3",
		`hodei_http_request_duration_seconds_bucket{method="GET",route="none",le="+Inf"}`: "1",
		`hodei_nats_connected`:              "1",
		`hodei_build_info{version="0.0.1"}`: "1",
		`hodei_http_open_streams`:           "0",
		`hodei_http_lines_sent_total`:       "0",
	} {
		require.Equal(t, want, w.metric(t, series), series)
	}
	for _, series := range []string{"go_goroutines", "process_open_fds"} {
		require.NotEmpty(t, w.metric(t, series))
	}
}

// An open stream and its lines appear in the metrics while it is open.
func TestMetricsOfStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 3)
	next, resp := w.stream(t, w.edge.Addrs()[2], "?follow=true")
	next(frames(1, 3))
	require.Equal(t, "1", w.metric(t, "hodei_http_open_streams"))
	require.Equal(t, "3", w.metric(t, "hodei_http_lines_sent_total"))
	w.end(t)
	next(w.done(hodei.Completed, 3))
	_ = text(t, resp)
	route := `{method="GET",route="/executions/{id}/logs/stream"`
	require.Eventually(t, func() bool {
		return w.metric(t, `hodei_http_requests_total`+route+`,status="200"}`) == "1"
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, "0", w.metric(t, "hodei_http_open_streams"))
	require.Empty(t, w.metric(t, `hodei_http_request_duration_seconds_count`+route+`}`), "a stream's length is no latency")
}

// Each port serves all of the docs. The page refers to nothing elsewhere.
func TestDocs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, addr := range w.edge.Addrs() {
		resp := do(t, "GET", "http://"+addr+"/docs", "")
		require.Equal(t, 200, resp.StatusCode)
		require.Contains(t, resp.Header.Get("Content-Type"), "text/html")
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'self'")
		page := text(t, resp)
		require.Contains(t, page, "/openapi.json")
		refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
		require.Len(t, refs, 5)
		for _, ref := range refs {
			require.True(t, strings.HasPrefix(ref[1], "/docs/"), ref[1])
			file := do(t, "GET", "http://"+addr+ref[1], "")
			require.Equal(t, 200, file.StatusCode, ref[1])
			require.NotEmpty(t, text(t, file))
		}
	}
	require.Equal(t, 200, do(t, "HEAD", w.url("/docs"), "").StatusCode)
	require.Contains(t, text(t, do(t, "GET", w.url("/docs/nothing.js"), "")), `"resource":"route"`)
}

// An idempotency key reaches the service for operations that create; an invalid
// one is refused.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for key, status := range map[string]int{"build 4711": 201, strings.Repeat("k", 255): 201, strings.Repeat("k", 256): 400, "": 400, "é": 400} {
		resp := do(t, "POST", w.url("/pipelines"), `{"name":"demo"}`, "Idempotency-Key: "+key)
		body := text(t, resp)
		require.Equal(t, status, resp.StatusCode, "%q: %s", key, body)
		if status == http.StatusBadRequest {
			require.Contains(t, body, `"field":"Idempotency-Key"`)
			continue
		}
		w.mu.Lock()
		require.Equal(t, key, w.key)
		w.mu.Unlock()
	}
}
