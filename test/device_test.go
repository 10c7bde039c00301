package test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// begun is a sign-in of a program that waits.
func (s guarded) begun() (code, secret string) {
	s.t.Helper()
	status, made := s.as("", "POST", "/session/device", `{"name":"a laptop"}`)
	require.Equal(s.t, 201, status, made)
	return made["user_code"].(string), made["device_code"].(string)
}

func (s guarded) redeem(secret string) (int, object) {
	s.t.Helper()
	return s.as("", "POST", "/session/device/token", `{"device_code":"`+secret+`"}`)
}

// TestDeviceCode: who approves a code gives the program that has shown it a token with the same
// rights, which ends when theirs does.
func TestDeviceCode(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	mine := s.pipelineWith("mine")
	id, text := s.token(hodei.Developer, `,"pipelines":["mine"],"expires_in_seconds":3600`)
	cookie := s.signIn(text)
	session := []string{"Cookie", cookie.Name + "=" + cookie.Value}
	code, secret := s.begun()
	require.Regexp(t, `^[B-Z]{4}-[B-Z]{4}$`, code)
	status, _ := s.redeem(secret)
	require.Equal(t, 409, status, "it waits")
	status, _ = s.as("", "GET", "/session/device?code="+code, "")
	require.Equal(t, 401, status)
	status, _ = s.as("", "POST", "/session/device/approve", `{"user_code":"`+code+`"}`)
	require.Equal(t, 401, status)
	status, shown := s.as("", "GET", "/session/device?code="+strings.ToLower(code), "", session...)
	require.Equal(t, 200, status)
	require.Equal(t, "a laptop", shown["name"])
	require.Equal(t, "127.0.0.1", shown["address"])
	require.NotContains(t, shown, "device_code")
	status, _ = s.as("", "POST", "/session/device/approve", `{"user_code":"`+code+`"}`, append(session, "Origin", "https://evil.example")...)
	require.Equal(t, 403, status, "another page cannot approve")
	status, _ = s.as("", "POST", "/session/device/approve", `{"user_code":"`+code+`"}`, session...)
	require.Equal(t, 200, status)
	status, _ = s.as("", "POST", "/session/device/approve", `{"user_code":"`+code+`"}`, session...)
	require.Equal(t, 404, status, "once")
	status, made := s.redeem(secret)
	require.Equal(t, 200, status, made)
	status, _ = s.redeem(secret)
	require.Equal(t, 401, status, "once")
	token := made["token"].(string)
	status, who := s.as(token, "GET", "/whoami", "")
	require.Equal(t, 200, status)
	require.Equal(t, "developer", who["role"])
	require.Equal(t, "developer on a laptop", who["name"])
	require.Equal(t, []any{mine["pipeline"]}, who["pipelines"], "with the limit of who approved")
	ends, err := time.Parse(time.RFC3339, made["expires_at"].(string))
	require.NoError(t, err)
	require.Less(t, time.Until(ends), time.Hour, "it ends with the token of who approved")
	_, log := s.as(s.admin, "GET", "/audit?operation=devices.approve,devices.redeem", "")
	require.Len(t, log["items"], 2)

	status, _ = s.as(s.admin, "DELETE", "/tokens/"+id, "")
	require.Equal(t, 204, status)
	eventually(t, "revoking a token revokes what came from it", time.Minute, func() bool {
		status, _ := s.as(token, "GET", "/whoami", "")
		return status == 401
	})
	for _, body := range []string{`{}`, `{"name":""}`, `{"name":"x","role":"admin"}`, `[]`, ``} {
		status, _ = s.as("", "POST", "/session/device", body)
		require.Equal(t, 400, status, body)
	}
	for _, wrong := range []string{"", token, s.admin, secret[:len(secret)-1] + "x"} {
		status, _ = s.redeem(wrong)
		require.Equal(t, 401, status)
	}
	limited := false
	for range 20 {
		status, _ = s.as("", "POST", "/session/device", `{"name":"x"}`)
		limited = limited || status == 429
	}
	require.True(t, limited, "the table cannot be filled")
}

// TestLoginByDeviceCode signs in the command line with a code that is approved in a browser.
func TestLoginByDeviceCode(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	config := t.TempDir()
	login := exec.CommandContext(ctx, binary, "login", s.orchestrator, "--device", "--name", "here")
	login.Env = append(os.Environ(), "XDG_CONFIG_HOME="+config, "GORACE=atexit_sleep_ms=0")
	p := launchCommand(t, login)
	eventually(t, "the code is shown", time.Minute, func() bool { return strings.Contains(p.output(), "approve the code") })
	page := p.find(`Open (http\S+/ui/device\?code=\S+)`)
	code := page[strings.Index(page, "=")+1:]

	b := openTab(t, s.orchestrator)
	b.open("/device?code=" + code)
	b.sees("Sign in to Hodei")
	_, text := s.token(hodei.Operator, "")
	b.fill("Token", text)
	b.click("Sign in")
	b.sees("Sign in a program")
	b.click("Continue")
	b.sees("asks to sign in as operator")
	b.sees(code)
	b.click("Approve")
	b.sees("is signed in with your rights")
	require.Zero(t, p.wait(), p.output())
	require.Contains(t, p.output(), "saved in the context here")
	list := exec.CommandContext(ctx, binary, "pipeline", "create", "by-device", "-o", "json")
	list.Env = login.Env
	out, err := list.Output()
	require.NoError(t, err)
	var made object
	require.NoError(t, json.Unmarshal(out, &made))
	require.NotContains(t, p.output(), "hodei_t_")
}
