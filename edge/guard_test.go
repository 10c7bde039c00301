package edge_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/edge"
)

// send makes a request with any Host. Headers are "Name: value".
func send(t *testing.T, addr, line, host, body string, headers ...string) *http.Response {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Host = host
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := browser(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	for name := range resp.Header {
		require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
	}
	return resp
}

// An attacker can make any name resolve to this machine, so unknown names are
// refused.
func TestOnlyKnownHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named, _ := serve(t, w.nc, edge.Config{AllowedHosts: []string{"Hodei.example"}})
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return ":" + p }
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST": 200, "localhost.": 200, "127.0.0.1": 200, "127.1.2.3": 200, "[::1]": 200, "a.localhost": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "evillocalhost": 421,
		"0.0.0.0": 421, "10.0.0.1": 421, "[::]": 421, "[::ffff:127.0.0.1]": 200, "hodei.example": 421, "x": 421,
	} {
		for _, addr := range w.edge.Addrs() {
			for _, line := range []string{"GET /healthz", "GET /metrics", "GET /openapi.json", "GET /docs"} {
				require.Equal(t, want, send(t, addr, line, host+port(addr), "").StatusCode, "%s of %s", line, host)
				require.Equal(t, want, send(t, addr, line, host, "").StatusCode, "%s of %s", line, host)
			}
		}
		refused := send(t, w.edge.Addrs()[0], "POST /pipelines", host, `{"name":"x"}`, "Content-Type: application/json")
		require.Equal(t, want == 421, refused.StatusCode == 421, host)
	}
	require.Equal(t, 200, send(t, named.Addrs()[0], "GET /healthz", "hodei.example:80", "").StatusCode)
	require.Equal(t, 421, send(t, named.Addrs()[0], "GET /healthz", "evil.example", "").StatusCode)

	conn := dial(t, w.edge.Addrs()[0], "GET /healthz HTTP/1.0\r\n\r\n") // not a browser
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "200 OK")
}

// A request that a browser sends for a page of another origin has no effect,
// and the page can read nothing from the answer.
func TestOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines := []string{
		"GET /pipelines", "GET /api/v1/pipelines", "GET /events?follow=true", "GET /executions/" + w.exec.String() + "/logs/stream",
		"POST /pipelines", "POST /jobs/" + w.job.String() + "/execute", "DELETE /pipelines/" + w.pipeline.String(), "OPTIONS /pipelines",
		"GET /healthz", "GET /metrics", "GET /openapi.json", "GET /nothing",
	}
	for i, addr := range w.edge.Addrs() {
		own := "Origin: http://" + addr
		for _, line := range lines {
			for _, foreign := range [][]string{
				{"Origin: http://evil.example"}, {"Origin: null"}, {"Origin: http://" + strings.Replace(addr, ":", ".evil.example:", 1)},
				{"Origin: http://" + w.edge.Addrs()[(i+1)%3]}, {"Origin: http://127.0.0.1"}, {"Origin: :"},
				{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: unheard-of"},
				{own, "Sec-Fetch-Site: cross-site"}, {"Origin: http://evil.example", "Sec-Fetch-Site: same-origin"},
				{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
			} {
				resp := send(t, addr, line, addr, `{"name":"x"}`, append(foreign, "Content-Type: application/json")...)
				require.Equal(t, 403, resp.StatusCode, "%s with %s", line, foreign)
			}
		}
	}
	w.mu.Lock()
	require.Empty(t, w.key)
	w.mu.Unlock()
	addr := w.edge.Addrs()[0]
	for _, own := range [][]string{
		{}, {"Origin: http://" + addr}, {"Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: none"}, {"Origin: http://" + addr, "Sec-Fetch-Site: same-origin"},
	} {
		require.Equal(t, 200, send(t, addr, "GET /pipelines", addr, "", own...).StatusCode, "%s", own)
		require.Equal(t, 201, send(t, addr, "POST /pipelines", addr, `{"name":"x"}`, append(own, "Content-Type: application/json")...).StatusCode, "%s", own)
		want := map[bool]int{true: 201, false: 415}[len(own) == 0]
		require.Equal(t, want, send(t, addr, "POST /pipelines", addr, `{"name":"x"}`, own...).StatusCode, "without a Content-Type, %s", own)
		require.Equal(t, 202, send(t, addr, "POST /jobs/"+w.job.String()+"/execute", addr, "", own...).StatusCode, "without a body, %s", own)
		for _, form := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			resp := send(t, addr, "POST /pipelines", addr, `{"name":"x"}`, append(own, "Content-Type: "+form)...)
			require.Equal(t, 415, resp.StatusCode, "%s %s", form, own)
		}
	}
}

// A link on another page may open the console, but not in a frame.
func TestLinksLeadToTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := w.edge.Addrs()[0]
	link := []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	for line, want := range map[string]int{
		"GET /": 302, "GET /ui": 302, "GET /ui/": 200, "GET /ui/executions/x": 200, "HEAD /ui/": 200, "GET /docs": 200, "POST /ui/": 403,
		"GET /docs/swagger-ui.css": 403, "GET /uis": 403, "GET /pipelines": 403,
	} {
		resp := send(t, addr, line, addr, "", link...)
		require.Equal(t, want, resp.StatusCode, line)
		require.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	}
	for _, line := range []string{"GET /ui/", "GET /docs"} {
		policy := send(t, addr, line, addr, "").Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe-inline")
		require.Equal(t, 403, send(t, addr, line, addr, "", link[0], link[1], "Sec-Fetch-Dest: iframe").StatusCode)
		require.Equal(t, 403, send(t, addr, line, addr, "", link[0], "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script").StatusCode)
	}
}
