package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// A nats context brings its credentials.
func TestNATSContextConnects(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, Username: "me", Password: "secret"})
	require.NoError(t, err)
	srv.Start()
	t.Cleanup(srv.Shutdown)
	require.True(t, srv.ReadyForConnections(time.Minute))
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	write := func(name, body string) {
		path := filepath.Join(config, "nats", "context", name+".json")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
	}
	write("good", `{"url":"`+srv.ClientURL()+`","user":"me","password":"secret","a_later_field":1}`)
	write("bad", `{"url":"`+srv.ClientURL()+`","user":"me","password":"wrong"}`)
	write("creds", `{"url":"`+srv.ClientURL()+`","creds":"/nowhere.creds"}`)
	write("nsc", `{"url":"`+srv.ClientURL()+`","nsc":"nsc://a/b/c"}`)
	connect := func(name string) error {
		s, _, _ := printing()
		err := (&Flags{natsContext: name}).connect(s, "test")
		if err == nil {
			defer s.NATS.Close()
			require.Equal(t, nats.CONNECTED, s.NATS.Status())
		}
		return err
	}
	s, _, _ := printing()
	err = (&Flags{nats: srv.ClientURL()}).connect(s, "test")
	require.ErrorIs(t, err, hodei.Unauthenticated, "a missing token is not an unreachable server")
	require.ErrorContains(t, err, signIn)
	require.NoError(t, connect("good"))
	require.ErrorIs(t, connect("bad"), hodei.Unauthenticated)
	require.ErrorContains(t, connect("bad"), "nats context bad")
	require.ErrorIs(t, connect("nsc"), hodei.Invalid) // nsc is not installed, or knows no such operator
	require.Error(t, connect("creds"))
	require.ErrorIs(t, connect("nosuch"), hodei.NotFound)
}
