package test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// authority issues certificates for this machine.
type authority struct {
	t       *testing.T
	dir     string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	serials int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), serials: 1, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	require.NoError(t, err)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	require.NoError(a.t, os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes a new certificate and its key to cert.pem and key.pem, and returns its number.
func (a *authority) issue() int64 {
	a.serials++
	key := a.newKey()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(a.serials), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	require.NoError(a.t, err)
	a.write("cert.pem", "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	a.write("key.pem", "PRIVATE KEY", der)
	return a.serials
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	text, err := os.ReadFile(a.path("ca.pem"))
	require.NoError(a.t, err)
	require.True(a.t, pool.AppendCertsFromPEM(text))
	return pool
}

// client is an HTTP client that knows the authority, with a connection for each request.
func (a *authority) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
}

// TestTLSOfTheEdge serves HTTPS, and changes the certificate without a restart.
func TestTLSOfTheEdge(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first := a.issue()
	s := upWithAuth(t, "--tls-cert", a.path("cert.pem"), "--tls-key", a.path("key.pem"))
	web := a.client()
	do := func(method, path, body string, header ...string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, s.orchestrator+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := web.Do(req)
		require.NoError(t, err)
		return resp
	}
	serial := func() int64 {
		resp := do("GET", "/healthz", "")
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	require.True(t, strings.HasPrefix(s.orchestrator, "https://"))
	require.Equal(t, first, serial())

	resp := do("POST", "/session", `{"token":"`+s.admin+`"}`)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 201, resp.StatusCode)
	cookie := resp.Cookies()[0]
	require.Equal(t, "__Host-hodei_session", cookie.Name)
	require.True(t, cookie.Secure)
	origin := strings.Replace(s.orchestrator, "https", "http", 1)
	resp = do("GET", "/whoami", "", "Cookie", cookie.Name+"="+cookie.Value, "Origin", origin)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 403, resp.StatusCode, "a page that was not encrypted is another origin")

	resp = do("POST", "/execute", `{"command":"seq 1 20000"}`, "Authorization", "Bearer "+s.admin)
	var made object
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&made))
	require.NoError(t, resp.Body.Close())
	resp = do("GET", fmt.Sprintf("/executions/%s/logs/stream?follow=true", made["id"]), "", "Authorization", "Bearer "+s.admin)
	lines, last := 0, ""
	for scanner := bufio.NewScanner(resp.Body); scanner.Scan(); {
		if strings.HasPrefix(scanner.Text(), "id: ") {
			lines++
		}
		last = scanner.Text() + last[:min(len(last), 20)]
	}
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 20000, lines, "a stream is the same over TLS; its end: %s", last)

	require.NoError(t, os.WriteFile(a.path("cert.pem"), []byte("half written"), 0o600))
	eventually(t, "the log has the unusable certificate", time.Minute, func() bool {
		return serial() == first && strings.Contains(s.output(), "the last one stays")
	})
	second := a.issue()
	eventually(t, "the new certificate is served", time.Minute, func() bool { return serial() == second })

	command := exec.CommandContext(t.Context(), binary, "pipeline", "ls", "--server", s.orchestrator)
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+a.path("ca.pem"), "HODEI_TOKEN="+s.admin, "XDG_CONFIG_HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)

	conn, err := net.Dial("tcp", strings.TrimPrefix(s.orchestrator, "https://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	require.NoError(t, err)
	answered, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, answered.Body.Close())
	require.Equal(t, 400, answered.StatusCode, "what is not encrypted gets no answer")
}

// TestTLSFlags: what cannot work is refused at the start, with the reason.
func TestTLSFlags(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue()
	for reason, args := range map[string][]string{
		"belong together": {"up", "--ephemeral", "--tls-cert", a.path("cert.pem")},
		"ca.pem":          {"edge", "--tls-cert", a.path("nosuch.pem"), "--tls-key", a.path("ca.pem"), "--nats", natsServer(t), "--port-base", "0"},
		"10.0.0.0/8":      {"edge", "--trusted-proxy", "everyone"},
		"--nats":          {"up", "--ephemeral", "--nats-nkey", a.path("key.pem")},
	} {
		p := launch(t, args...)
		require.NotZero(t, p.wait(), reason)
		if reason == "ca.pem" {
			reason = "--tls-cert"
		}
		require.Contains(t, p.output(), reason)
	}
}

// TestTLSAndNKeyOfNATS runs everything with a NATS that wants a certificate and an nkey.
func TestTLSAndNKeyOfNATS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue()
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.path("user.nk"), seed, 0o600))
	opts := &server.Options{}
	require.NoError(t, opts.ProcessConfigString(string(hodei.NATSConf)))
	pair, err := tls.LoadX509KeyPair(a.path("cert.pem"), a.path("key.pem"))
	require.NoError(t, err)
	opts.Host, opts.Port, opts.StoreDir, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	opts.Nkeys, opts.TLS, opts.TLSVerify, opts.TLSTimeout = []*server.NkeyUser{{Nkey: public}}, true, true, 5
	opts.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(), MinVersion: tls.VersionTLS12}
	srv, err := server.NewServer(opts)
	require.NoError(t, err)
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	require.True(t, srv.ReadyForConnections(30*time.Second))

	flags := []string{"--nats", srv.ClientURL(), "--nats-ca", a.path("ca.pem"), "--nats-tls-cert", a.path("cert.pem"), "--nats-tls-key", a.path("key.pem")}
	p := launch(t, append([]string{"worker", "--state-dir", t.TempDir()}, flags...)...)
	require.NotZero(t, p.wait(), "without the nkey")
	s := up(t, append([]string{"--workers", "0", "--nats-nkey", a.path("user.nk")}, flags...)...)
	w := start(t, append([]string{"worker", "--state-dir", t.TempDir(), "--nats-nkey", a.path("user.nk")}, flags...)...)
	require.Equal(t, "COMPLETED", s.ended(s.execute("true"))["status"])
	for _, p := range []*process{s.process, w} {
		require.NotContains(t, p.output(), string(seed))
		shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid))
		require.NoError(t, err)
		require.False(t, bytes.Contains(shown, seed))
	}
}

// TestTrustedProxies: the address of a client is that which a trusted proxy names, and what
// anybody else claims has no effect.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	addressOf := func(s guarded, header ...string) string {
		status, made := s.as(s.admin, "POST", "/pipelines", `{"name":"x"}`, header...)
		require.Equal(t, 201, status, made)
		_, list := s.as(s.admin, "GET", "/audit?resource_id="+made["id"].(string), "")
		return list["items"].([]any)[0].(object)["address"].(string)
	}
	trusting, plain := upWithAuth(t, "--workers", "0", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"), upWithAuth(t, "--workers", "0")
	for headers, want := range map[string]string{
		"": "127.0.0.1", "203.0.113.7": "203.0.113.7", "1.1.1.1, 203.0.113.7": "203.0.113.7", "1.1.1.1, 203.0.113.7, 10.1.2.3": "203.0.113.7",
		"10.1.2.3": "10.1.2.3", "nonsense": "127.0.0.1", "nonsense, 203.0.113.7": "203.0.113.7", "203.0.113.7, nonsense": "127.0.0.1",
		"2001:db8::7": "2001:db8::7", "203.0.113.7:80": "127.0.0.1",
	} {
		require.Equal(t, want, addressOf(trusting, "X-Forwarded-For", headers), headers)
		require.Equal(t, "127.0.0.1", addressOf(plain, "X-Forwarded-For", headers), headers)
	}
	require.Equal(t, "203.0.113.7", addressOf(trusting, "X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "203.0.113.7"), "the last of several headers")
	require.True(t, trusting.signIn(trusting.admin, "X-Forwarded-Proto", "https").Secure)
	require.False(t, trusting.signIn(trusting.admin, "X-Forwarded-Proto", "https, http").Secure)
	require.False(t, plain.signIn(plain.admin, "X-Forwarded-Proto", "https").Secure)
}
