package cmdline

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestCommandLineOnly(t *testing.T) {
	t.Setenv("HODEI_ONE", "true")
	cmd := &cobra.Command{}
	one := cmd.Flags().Bool("one", false, "")
	cmd.Flags().Bool("two", false, "")
	cmd.MarkFlagsMutuallyExclusive("one", "two")
	CommandLineOnly(cmd.Flags())
	require.NoError(t, FromEnvironment(cmd.Flags()))
	require.False(t, *one)
	require.NoError(t, cmd.ParseFlags([]string{"--one", "--two"}))
	require.Error(t, cmd.ValidateFlagGroups(), "what cobra notes about the flags stays")
}
