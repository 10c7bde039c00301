package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// TestReaperFindsTheKey: the reaper of a worker has another working directory than the worker.
func TestReaperFindsTheKey(t *testing.T) {
	t.Chdir(t.TempDir())
	whole, err := filepath.Abs("state/nats.nk")
	require.NoError(t, err)
	f := natsFlags{Credentials: rpc.Credentials{NKey: "state/nats.nk", CA: "/ca.pem"}}
	require.ElementsMatch(t, []string{"--nats-nkey=" + whole, "--nats-ca=/ca.pem"}, f.files())
}

// TestReapersOfUpFindTheKey: the NATS of --nats may need the credentials of --nats-nkey.
func TestReapersOfUpFindTheKey(t *testing.T) {
	f := upFlags{workers: 1}
	f.nats.NKey = "/key.nk"
	cfg := system.Config{Manager: &workermanager.Config{}}
	require.NoError(t, f.keepIn(t.Context(), t.TempDir(), &cfg))
	require.Contains(t, cfg.Workers[0].Reaper, "--nats-nkey=/key.nk")
}

// TestJoinNeedsAJoinToken: a worker would try a text that is no token for ever.
func TestJoinNeedsAJoinToken(t *testing.T) {
	for _, text := range []string{"wrong", token.New(token.Person), token.New(token.Join)[1:]} {
		_, err := (&natsFlags{}).join(t.TempDir(), text)
		require.ErrorContains(t, err, "hodei token create --role worker")
		require.Equal(t, 2, cmdline.ExitCode(err))
	}
	own, err := (&natsFlags{}).join(t.TempDir(), token.New(token.Join))
	require.NoError(t, err)
	require.NotEmpty(t, own.path)
}
