package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// guarded is a system with access control.
type guarded struct {
	*system
	admin string // its first token
}

func upWithAuth(t testing.TB, args ...string) guarded {
	t.Helper()
	s := up(t, append([]string{"--auth"}, args...)...)
	text, err := os.ReadFile(s.find(`admin token +(\S+)`))
	require.NoError(t, err)
	return guarded{s, strings.TrimSpace(string(text))}
}

// as makes a request with a token.
func (s guarded) as(token, method, path, body string, header ...string) (int, object) {
	s.t.Helper()
	head := http.Header{}
	if token != "" {
		head.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		head[header[i]] = append(head[header[i]], header[i+1])
	}
	status, raw, _ := request(s.t, method, s.orchestrator+path, body, head)
	var out object
	_ = json.Unmarshal(raw, &out) // a stream is not JSON
	return status, out
}

// token creates a token and returns its id and its text.
func (s guarded) token(role hodei.Role, more string) (id, text string) {
	s.t.Helper()
	status, made := s.as(s.admin, "POST", "/tokens", fmt.Sprintf(`{"name":"%s","role":"%[1]s"%s}`, role, more))
	require.Equal(s.t, 201, status, made)
	return made["id"].(string), made["token"].(string)
}

// signIn begins a session and returns its cookie.
func (s guarded) signIn(token string, header ...string) *http.Cookie {
	s.t.Helper()
	head := http.Header{}
	for i := 0; i < len(header); i += 2 {
		head.Set(header[i], header[i+1])
	}
	status, raw, answered := request(s.t, "POST", s.orchestrator+"/session", `{"token":"`+token+`"}`, head)
	require.Equal(s.t, 201, status, "%s", raw)
	cookies := (&http.Response{Header: answered}).Cookies()
	require.Len(s.t, cookies, 1)
	return cookies[0]
}

// paths fill the parameters of a path with something that does not exist.
var paths = strings.NewReplacer("{slug}", "nosuch", "{key}", "nosuch", "{id}", "0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01")

// TestEveryOperationAsEveryRole asks for every operation with a route without a token, with
// one of each role, and with those that are not valid.
func TestEveryOperationAsEveryRole(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	texts := map[hodei.Role]string{}
	for _, role := range hodei.Roles {
		_, texts[role] = s.token(role, "")
	}
	_, brief := s.token(hodei.Admin, `,"expires_in_seconds":0.001`)
	require.Eventually(t, func() bool {
		status, _ := s.as(brief, "GET", "/whoami", "")
		return status == 401
	}, 30*time.Second, time.Millisecond)
	revoked, gone := s.token(hodei.Admin, "")
	status, _ := s.as(gone, "GET", "/whoami", "")
	require.Equal(t, 200, status)
	status, _ = s.as(s.admin, "DELETE", "/tokens/"+revoked, "")
	require.Equal(t, 204, status)
	typo := "x" + s.admin[1:]
	for _, op := range schemas.Operations {
		if op.Method == "" {
			continue
		}
		path, body := paths.Replace(op.Path), ""
		if op.Method != "GET" && op.Method != "DELETE" {
			body = "{}"
		}
		for what, text := range map[string]string{"none": "", "expired": brief, "revoked": gone, "typo": typo} {
			status, got := s.as(text, op.Method, path, body)
			require.Equal(t, 401, status, "%s with a token that is %s: %v", op.Name, what, got)
			require.Equal(t, "UNAUTHENTICATED", got["error"], op.Name)
			require.NotContains(t, fmt.Sprint(got), s.admin[10:], "an error repeats no token")
		}
		for _, role := range hodei.Roles {
			status, got := s.as(texts[role], op.Method, path, body)
			if role.Includes(op.Role) {
				require.NotContains(t, []int{401, 403}, status, "%s as %s: %v", op.Name, role, got)
				continue
			}
			require.Equal(t, 403, status, "%s as %s: %v", op.Name, role, got)
			require.Equal(t, "FORBIDDEN", got["error"])
			require.Contains(t, got["message"], string(op.Role), "it names the role that is needed")
		}
	}
	for _, path := range []string{"/metrics", "/openapi.json", "/docs", "/hodei.schema.json", "/nosuch", "/api/v1/nosuch"} {
		status, _ := s.as("", "GET", path, "")
		require.Equal(t, 401, status, path)
	}
	for _, path := range []string{"/healthz", "/readyz", "/ui/", "/ui/workers"} {
		status, _ := s.as("", "GET", path, "")
		require.Equal(t, 200, status, path)
	}
}

// TestNothingThatAClientSendsRaisesItsRights forges the headers and the paths by which the
// parts of the system talk about a caller.
func TestNothingThatAClientSendsRaisesItsRights(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	_, viewer := s.token(hodei.Viewer, "")
	forged := `{"kind":"token","name":"root","role":"admin"}`
	for _, header := range []string{
		"Hodei-Caller", "hodei-caller", "HODEI-CALLER", "X-Hodei-Caller", "Nats-Request-Info", "X-Forwarded-User", "Hodei-Role", "X-Original-Url", "Hodei-Recorded", "Hodei-Actor", "X-Forwarded-Proto", "X-Remote-User", "X-Rewrite-Url",
	} {
		status, _ := s.as(viewer, "POST", "/pipelines", `{"name":"x"}`, header, forged)
		require.Equal(t, 403, status, header)
		status, _ = s.as("", "GET", "/pipelines", "", header, forged)
		require.Equal(t, 401, status, header)
	}
	for _, header := range [][]string{
		{"Authorization", "Bearer"}, {"Authorization", "Basic " + s.admin}, {"Authorization", "Bearer " + s.admin + ", Bearer x"},
		{"Authorization", "Bearer " + viewer, "Authorization", "Bearer " + s.admin}, {"Authorization", s.admin},
		{"X-Method-Override", "GET"}, {"Cookie", "hodei_session=" + s.admin}, {"Cookie", "hodei_session=; hodei_session=x"},
	} {
		status, _ := s.as("", "GET", "/pipelines", "", header...)
		require.Equal(t, 401, status, header)
	}
	status, _ := s.as("", "GET", "/pipelines", "", "Authorization", "bearer  "+viewer)
	require.Equal(t, 200, status, "the scheme is written in any case")
	for _, path := range []string{
		"/ui/../pipelines", "/ui/..%2fpipelines", "/ui/%2e%2e/pipelines", "/healthz/../pipelines", "/healthz%2f..%2fpipelines", "//pipelines", "/api/v1//pipelines",
		"/pipelines/", "/pipelines?token=" + s.admin, "/pipelines?access_token=" + s.admin, "/api%2fv1/pipelines", "/pipelines%00", "/PIPELINES", "/pipelines;/healthz", "/healthz;/../pipelines",
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.orchestrator, nil)
		require.NoError(t, err)
		req.URL.Opaque = "//" + req.URL.Host + path
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if strings.HasPrefix(path, "/ui/") {
			require.Contains(t, []string{"text/html; charset=utf-8", "application/json"}, resp.Header.Get("Content-Type"), path) // the page, without data
			continue
		}
		require.Equal(t, 401, resp.StatusCode, path)
	}
}

// TestRevocation ends what a token has begun: requests, sessions and streams.
func TestRevocation(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	id, text := s.token(hodei.Viewer, "")
	cookie := s.signIn(text)
	ended := make(chan error, 2)
	for _, header := range []http.Header{{"Authorization": {"Bearer " + text}}, {"Cookie": {cookie.Name + "=" + cookie.Value}}} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.orchestrator+"/events?follow=true", nil)
		require.NoError(t, err)
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		lines := bufio.NewScanner(resp.Body)
		require.True(t, lines.Scan(), "the stream has begun")
		go func() {
			defer resp.Body.Close()
			for lines.Scan() {
			}
			ended <- lines.Err()
		}()
	}
	status, _ := s.as(s.admin, "DELETE", "/tokens/"+id, "")
	require.Equal(t, 204, status)
	require.Eventually(t, func() bool {
		token, _ := s.as(text, "GET", "/whoami", "")
		session, _ := s.as("", "GET", "/whoami", "", "Cookie", cookie.Name+"="+cookie.Value)
		return token == 401 && session == 401
	}, 30*time.Second, 10*time.Millisecond)
	for range 2 {
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Fatal("a stream of a revoked token goes on")
		}
	}
	status, _ = s.as(s.admin, "DELETE", "/tokens/"+id, "")
	require.Equal(t, 404, status)
}

// TestSessions signs in and out, and uses what was stolen meanwhile.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	_, text := s.token(hodei.Operator, "")
	cookie := s.signIn(text)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.False(t, cookie.Secure)
	of := func(c *http.Cookie) []string { return []string{"Cookie", c.Name + "=" + c.Value} }
	status, who := s.as("", "GET", "/whoami", "", of(cookie)...)
	require.Equal(t, 200, status)
	require.Equal(t, "session", who["kind"])
	require.Equal(t, "operator", who["role"])
	status, _ = s.as("", "POST", "/pipelines", `{"name":"by session"}`, of(cookie)...)
	require.Equal(t, 201, status)
	status, _ = s.as("", "GET", "/tokens", "", of(cookie)...)
	require.Equal(t, 403, status)

	status, _ = s.as(cookie.Value, "GET", "/whoami", "")
	require.Equal(t, 401, status, "the secret of a session is no token")
	status, _ = s.as("", "POST", "/session", `{"token":"`+cookie.Value+`"}`)
	require.Equal(t, 401, status, "nor begins another session")
	other := s.signIn(s.admin)
	status, _ = s.as("", "GET", "/whoami", "", "Cookie", fmt.Sprintf("%s=%s; %[1]s=%s", cookie.Name, cookie.Value, other.Value))
	require.Equal(t, 401, status, "two sessions in one request")

	host := strings.TrimPrefix(s.orchestrator, "http://")
	secure := s.signIn(text, "Origin", "https://"+host)
	require.True(t, secure.Secure)
	require.Equal(t, "__Host-hodei_session", secure.Name)
	status, _ = s.as("", "GET", "/whoami", "", of(secure)...)
	require.Equal(t, 200, status)

	status, _ = s.as("", "DELETE", "/session", "", of(cookie)...)
	require.Equal(t, 204, status)
	status, _ = s.as("", "GET", "/whoami", "", of(cookie)...)
	require.Equal(t, 401, status, "a stolen cookie is of no use after the sign-out")
	status, _ = s.as("", "GET", "/whoami", "", of(secure)...)
	require.Equal(t, 200, status, "the other session of the token goes on")

	link := s.find(`#signin=(hodei_l_\w+)`)
	status, _ = s.as(link, "GET", "/whoami", "")
	require.Equal(t, 401, status, "a sign-in link is no token")
	require.Equal(t, "/", s.signIn(link).Path)
	status, _ = s.as("", "POST", "/session", `{"token":"`+link+`"}`)
	require.Equal(t, 401, status, "it signs in once")
}

// TestUnknownTokensAreSlowedDown: an address that guesses is refused, while tokens that are
// in use at the same address go on.
func TestUnknownTokensAreSlowedDown(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	status, _ := s.as(s.admin, "GET", "/whoami", "")
	require.Equal(t, 200, status)
	counts := map[int]int{}
	for range 60 {
		status, _ := s.as(token.New(token.Person), "GET", "/whoami", "")
		counts[status]++
	}
	require.Greater(t, counts[429], 10, counts)
	require.Greater(t, counts[401], 10, counts)
	require.Equal(t, 60, counts[401]+counts[429], counts)
	status, _ = s.as(s.admin, "GET", "/whoami", "")
	require.Equal(t, 200, status)
}

// TestTokensOfTheCommandLine makes the first token, loses it and recovers, all by commands.
func TestTokensOfTheCommandLine(t *testing.T) {
	t.Parallel()
	config, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	hodei := func(in string, args ...string) (out, errs string, status int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+config, "GORACE=atexit_sleep_ms=0")
		cmd.Stdin = strings.NewReader(in)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // the status has it
		return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	}
	database := localtest.Database(t)
	cmd := exec.Command(binary, "up", "--auth", "--port-base", "0", "--nats-port", "0", "--workers", "0", "--data-dir", data, "--database-url", database)
	cmd.Env = []string{"XDG_CONFIG_HOME=" + config}
	p := launchCommand(t, cmd)
	p.ready()
	base := p.find(`orchestrator +(http://\S+)`)
	for _, path := range []string{filepath.Join(data, "admin-token"), filepath.Join(config, "hodei", "contexts", "local.json")} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), path)
	}
	_, errs, status := hodei("", "pipeline", "ls")
	require.Equal(t, 0, status, "the context has the token: %s", errs)
	out, errs, status := hodei("", "token", "create", "--name", "ci", "--role", "developer")
	require.Equal(t, 0, status, errs)
	require.Regexp(t, `^hodei_t_\w{49}\n$`, out)
	ci := strings.TrimSpace(out)
	list, _, _ := hodei("", "token", "ls")
	require.Regexp(t, `ci +developer`, list)
	require.NotContains(t, list, ci)

	_, errs, status = hodei("", "pipeline", "ls", "--token", ci)
	require.Equal(t, 2, status)
	require.Contains(t, errs, "--token-file")
	_, errs, status = hodei("", "pipeline", "ls", "--server", base)
	require.Equal(t, 0, status, "it is the server of the context: %s", errs)
	_, errs, status = hodei("", "pipeline", "ls", "--server", strings.Replace(base, "127.0.0.1", "localhost", 1))
	require.Equal(t, 4, status, "the token of a context is not sent to another server")
	require.Contains(t, errs, "hodei login")
	require.NoError(t, os.WriteFile(filepath.Join(config, "ci"), []byte(ci+"\n"), 0o600))
	_, errs, status = hodei("", "pipeline", "create", "x", "--server", base, "--token-file", filepath.Join(config, "ci"))
	require.Equal(t, 4, status)
	require.Contains(t, errs, "pipelines.create needs the role operator; yours is developer")

	_, errs, status = hodei(ci[:20]+"\n", "login", base, "--name", "mine")
	require.Equal(t, 2, status, errs)
	require.NotContains(t, errs, ci[:20])
	_, errs, status = hodei(ci+"\n", "login", base, "--name", "mine")
	require.Equal(t, 0, status, errs)
	require.Contains(t, errs, "as ci (developer)")
	shown, _, _ := hodei("", "context", "show", "mine")
	require.NotContains(t, shown, ci)
	_, _, status = hodei("", "token", "ls")
	require.Equal(t, 4, status)
	_, errs, status = hodei("", "token", "rm", "ci", "--context", "local")
	require.Equal(t, 0, status, errs)
	_, _, status = hodei("", "pipeline", "ls")
	require.Equal(t, 4, status, "it is revoked")

	out, errs, status = hodei("", "token", "bootstrap", "--database-url", database, "--name", "recovered")
	require.Equal(t, 0, status, errs)
	_, errs, status = hodei(out, "login", base, "--name", "mine")
	require.Equal(t, 0, status, errs)
	require.Contains(t, errs, "as recovered (admin)")
	require.False(t, regexp.MustCompile(`hodei_[ts]_`).MatchString(p.output()), "no token is printed by the server")
}

// TestOtherAddressesNeedAuth: without --auth or --insecure nothing listens for other machines.
func TestOtherAddressesNeedAuth(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"up", "--ephemeral", "--host", "0.0.0.0"}, {"edge", "--host", "0.0.0.0"}, {"up", "--ephemeral", "--auth", "--insecure"}} {
		p := launch(t, args...)
		require.Equal(t, 2, p.wait(), args)
		require.Contains(t, p.output(), "--auth", args)
	}
}
