package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// Every command has a help text.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.Contains(t, cmd.Example, cmd.CommandPath(), cmd.CommandPath())
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	people := 0
	for _, cmd := range newRoot().Commands() {
		if described(cmd) {
			walk(cmd)
		}
		if cmd.GroupID == "people" {
			people++
		}
	}
	require.Equal(t, 34, people)
}

// Every flag with a duration takes days, as hodei.yaml does.
func TestDurationFlags(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "duration" {
				require.NoError(t, f.Value.Set("1d"), "%s --%s", cmd.CommandPath(), f.Name)
				seen++
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	require.Greater(t, seen, 15)
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		root, out := newRoot(), &bytes.Buffer{}
		root.SetOut(out)
		root.SetArgs(args)
		require.NoError(t, root.Execute())
		require.Regexp(t, `^hodei [0-9]+\.[0-9]+\.[0-9]+\S*( \(commit .+\))?\n$`, out.String())
	}
}

// Roles take no arguments.
func TestMistakesOfRoles(t *testing.T) {
	root := newRoot()
	root.SetArgs([]string{"orchestrator", "now"})
	err := root.ExecuteContext(t.Context())
	require.ErrorContains(t, err, "usage: hodei orchestrator")
	require.Equal(t, 2, cmdline.ExitCode(err))
}
