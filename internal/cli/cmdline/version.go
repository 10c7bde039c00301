package cmdline

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Version is the version that the binary was built as.
func Version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.1.0-dev"
}

// buildVersion is set by the linker for a release.
var buildVersion string

// NewVersion is the command that prints the version.
func NewVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: "other", Short: "Print the version and the commit it was built from", Args: cobra.NoArgs, Example: "  hodei version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), VersionLine())
			return err
		},
	}
}

// VersionLine is the version with the commit it was built from, if known.
func VersionLine() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return "hodei " + Version() + built(info.Settings) + "\n"
}

// built describes the commit and its date, "" where they are not known.
func built(settings []debug.BuildSetting) string {
	known := map[string]string{}
	for _, s := range settings {
		known[s.Key] = s.Value
	}
	commit := known["vcs.revision"]
	if commit == "" {
		return ""
	}
	text := " (commit " + commit[:min(12, len(commit))]
	if known["vcs.time"] != "" {
		text += " of " + known["vcs.time"]
	}
	if known["vcs.modified"] == "true" {
		text += ", modified"
	}
	return text + ")"
}
