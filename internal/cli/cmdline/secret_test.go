package cmdline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// TestSecretsFromFiles: the command line wins over the environment, and at
// either a value and a file exclude each other.
func TestSecretsFromFiles(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	one, two, blank := file("nats://a:b@one\n"), file("nats://two"), file("\n")
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		want string // a value, or part of an error
	}{
		{"neither", nil, nil, "nats://default"},
		{"file", []string{"--nats-file", one}, nil, "nats://a:b@one"},
		{"variable of a file", nil, map[string]string{"HODEI_NATS_FILE": two}, "nats://two"},
		{"variable", nil, map[string]string{"HODEI_NATS": "nats://env"}, "nats://env"},
		{"flag before file", []string{"--nats=nats://flag"}, map[string]string{"HODEI_NATS_FILE": two}, "nats://flag"},
		{"file before variable", []string{"--nats-file", one}, map[string]string{"HODEI_NATS": "nats://env", "HODEI_NATS_FILE": two}, "nats://a:b@one"},
		{"both flags", []string{"--nats=nats://flag", "--nats-file", one}, nil, "--nats and --nats-file exclude each other"},
		{"both variables", nil, map[string]string{"HODEI_NATS": "nats://env", "HODEI_NATS_FILE": two}, "HODEI_NATS and HODEI_NATS_FILE"},
		{"no file", []string{"--nats-file", "/nowhere"}, nil, "--nats-file: open /nowhere: no such file"},
		{"an empty file", []string{"--nats-file", blank}, nil, "is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			flags := pflag.NewFlagSet("role", pflag.ContinueOnError)
			got := flags.String("nats", "nats://default", "")
			Secret(flags, "nats")
			require.NoError(t, flags.Parse(c.args))
			if err := FromEnvironment(flags); err != nil {
				require.ErrorContains(t, err, c.want)
				require.Equal(t, 2, ExitCode(err))
				return
			}
			require.Equal(t, c.want, *got)
		})
	}
}

func TestOnlyBareURLsStayVisible(t *testing.T) {
	for value, want := range map[string]bool{
		"nats://a.example.com:4222": true, "nats://a,nats://b": true,
		"nats://user:password@a": false, "postgres://db/hodei?password=x": false, "host=db password=x": false,
		"hunter2": false, "hodei_j_0123": false, "token@a:4222": false,
	} {
		require.Equal(t, want, isBareURL(value), value)
	}
}
