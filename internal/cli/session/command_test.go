package session

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestServerOrNATS(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	const a, b = "http://a", "nats://b"
	for _, c := range []struct {
		args, env    string
		server, nats string // what is asked: NATS when nats is set
		flag         string
	}{
		{server: DefaultServer},
		{args: "--server http://a", server: a, flag: " --server http://a"},
		{args: "--nats nats://b", server: DefaultServer, nats: b, flag: " --nats nats://b"},
		{env: "HODEI_SERVER=http://a", server: a},
		{env: "HODEI_NATS=nats://b", server: DefaultServer, nats: b},
		{env: "HODEI_SERVER=http://a HODEI_NATS=nats://b", server: a},
		{args: "--server http://a", env: "HODEI_NATS=nats://b", server: a, flag: " --server http://a"},
		{args: "--nats nats://b", env: "HODEI_SERVER=http://a", server: a, nats: b, flag: " --nats nats://b"},
		{args: "--nats nats://me:secret@b", server: DefaultServer, nats: "nats://me:secret@b", flag: " --nats nats://me:xxxxx@b"},
	} {
		t.Run(c.args+" "+c.env, func(t *testing.T) {
			for _, pair := range strings.Fields(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			p := &Flags{}
			cmd := p.Command(&cobra.Command{Use: "queue"}, nil)
			require.NoError(t, cmd.ParseFlags(strings.Fields(c.args)))
			require.NoError(t, p.settle(cmd))
			require.Equal(t, c.server, p.server)
			require.Equal(t, c.nats, p.nats)
			require.Equal(t, c.flag, p.flag)
		})
	}
}

// TestVariablesOfAJobAreNoFlags: every command of a run has HODEI_JOB, HODEI_PIPELINE and more.
func TestVariablesOfAJobAreNoFlags(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HODEI_JOB", "build")
	t.Setenv("HODEI_OUTPUT", "/tmp/output") // the file for outputs
	p := &Flags{}
	cmd := p.Command(&cobra.Command{Use: "rerun"}, nil)
	job := cmd.Flags().String("job", "", "")
	require.NoError(t, p.settle(cmd))
	require.Empty(t, *job)
	require.False(t, cmd.Flags().Changed("job"))
	require.Equal(t, "table", p.output)
}
