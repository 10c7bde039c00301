//go:build linux

package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
)

// TestTLSOfPostgres runs everything with a Postgres that wants TLS and a password. A server
// of another authority does not get the password.
func TestTLSOfPostgres(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	a.issue()
	address := postgresWithTLS(t, a)
	pass := a.path("pgpass")
	require.NoError(t, os.WriteFile(pass, []byte(address+":trial:app:secret-word\n"), 0o600))
	given := a.path("database-url")
	urlWith := func(ca string) {
		text := fmt.Sprintf("postgres://app@%s/trial?sslmode=verify-full&sslrootcert=%s", address, ca)
		require.NoError(t, os.WriteFile(given, []byte(text+"\n"), 0o600))
	}
	migrate := func() *process {
		cmd := exec.Command(binary, "migrate", "--database-url-file", given)
		cmd.Env = []string{"PGPASSFILE=" + pass}
		return launchCommand(t, cmd)
	}
	urlWith(stranger.path("ca.pem"))
	p := migrate()
	require.NotZero(t, p.wait())
	require.Contains(t, p.output(), "certificate signed by unknown authority")
	urlWith(a.path("ca.pem"))
	p = migrate()
	require.Zero(t, p.wait(), p.output())

	s := up(t, "--database-url", fmt.Sprintf("postgres://app@%s/trial?sslmode=verify-full&sslrootcert=%s&passfile=%s", address, a.path("ca.pem"), pass))
	require.Equal(t, "COMPLETED", s.ended(s.execute("true"))["status"])
}

// postgresWithTLS starts a server that wants TLS and the password of app, and returns its
// address.
func postgresWithTLS(t *testing.T, a *authority) (address string) {
	t.Helper()
	dir := t.TempDir()
	made, err := local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir, Unsafe: true})
	require.NoError(t, err)
	defer made.Stop()
	conn, err := pgx.Connect(t.Context(), made.URL())
	require.NoError(t, err)
	for _, statement := range []string{"CREATE USER app PASSWORD 'secret-word'", "CREATE DATABASE trial OWNER app"} {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, conn.Close(t.Context()))
	made.Stop()
	data, port := filepath.Join(dir, "data"), freePort(t)
	a.install("cert.pem", filepath.Join(data, "server.crt"))
	a.install("key.pem", filepath.Join(data, "server.key"))
	require.NoError(t, os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("hostssl all all all scram-sha-256\n"), 0o600))
	cmd, err := postmaster(data, port, "ssl=on")
	require.NoError(t, err)
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait() // it was stopped
		if t.Failed() {
			t.Logf("output of Postgres:\n%s", log)
		}
	})
	address = fmt.Sprintf("127.0.0.1:%d", port)
	eventually(t, "Postgres answers", time.Minute, func() bool {
		conn, err := pgx.Connect(t.Context(), "postgres://app:secret-word@"+address+"/trial?sslmode=require")
		return err == nil && conn.Close(t.Context()) == nil
	})
	return address
}

// install copies a file for the owner of the directory, which alone can read it.
func (a *authority) install(name, path string) {
	text, err := os.ReadFile(a.path(name))
	require.NoError(a.t, err)
	require.NoError(a.t, os.WriteFile(path, text, 0o600))
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(a.t, err)
	owner := info.Sys().(*syscall.Stat_t)
	require.NoError(a.t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
}
