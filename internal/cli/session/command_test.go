package session

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/contexts"
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
	t.Setenv("HODEI_EXECUTION_ID", "exec_1")
	p := &Flags{}
	cmd := p.Command(&cobra.Command{Use: "rerun"}, nil)
	job := cmd.Flags().String("job", "", "")
	require.NoError(t, p.settle(cmd))
	require.Empty(t, *job)
	require.False(t, cmd.Flags().Changed("job"))
	require.Equal(t, "table", p.output)
}

// TestATokenIsFoundByItsServer: `hodei login` is enough where HODEI_SERVER names the same server.
func TestATokenIsFoundByItsServer(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	require.NoError(t, contexts.Write("one", contexts.Context{Server: "http://a", Token: "hodei_a"}))
	require.NoError(t, contexts.Write("two", contexts.Context{Server: "http://b/", Token: "hodei_b"}))
	for _, c := range []struct{ server, token, want string }{
		{"http://a", "", "hodei_a"}, {"http://b", "", "hodei_b"}, {"http://c", "", ""}, {"http://a", "hodei_x", "hodei_x"},
	} {
		t.Setenv("HODEI_SERVER", c.server)
		t.Setenv("HODEI_TOKEN", c.token)
		p := &Flags{}
		require.NoError(t, p.settle(p.Command(&cobra.Command{Use: "queue"}, nil)))
		require.Equal(t, c.want, p.token, c)
		t.Setenv("HODEI_SERVER", c.server) // settle hides the variables
	}
}

// TestTheFormatOfTheEnvironmentIsChecked: outside of a job, HODEI_OUTPUT is a format.
func TestTheFormatOfTheEnvironmentIsChecked(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HODEI_EXECUTION_ID", "")
	for output, want := range map[string]string{"bogus": "HODEI_OUTPUT: table, json, yaml or name required", "name": "", "json": ""} {
		t.Setenv("HODEI_OUTPUT", output)
		p := &Flags{}
		err := p.settle(p.Command(&cobra.Command{Use: "logs", Annotations: LineOutput}, nil))
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err, output)
	}
}
