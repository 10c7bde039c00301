package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the documentation of the commands")

// TestDocs verifies that docs/cli.md matches --help. Run with -update to
// rewrite it.
func TestDocs(t *testing.T) {
	root := newRoot()
	var b strings.Builder
	b.WriteString("<!-- Written by `go test ./cmd/hodei -update` from the commands themselves. -->\n\n# hodei\n\n")
	fmt.Fprintf(&b, "%s\n", code(root.Long))
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "\n%s\n\n| | |\n|---|---|\n", group.Title)
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && described(cmd) {
				fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cmd.Short)
			}
		}
	}
	for _, group := range root.Groups() {
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && described(cmd) {
				describe(&b, cmd)
			}
		}
	}
	got := b.String()
	const path = "../../docs/cli.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./cmd/hodei -update")
	require.Equal(t, string(want), got, "run: go test ./cmd/hodei -update")
}

// described reports whether the command is Hodei's own; cobra adds others.
func described(cmd *cobra.Command) bool {
	return !cmd.Hidden && cmd.Name() != "help" && cmd.Name() != "completion"
}

func describe(b *strings.Builder, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), escape(text))
	if !cmd.HasSubCommands() || cmd.Name() == "worker" {
		fmt.Fprintf(b, "\n%s\n", code(cmd.UseLine()))
		flags(b, cmd)
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n\n%s\n", code(strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n")))
	}
	for _, sub := range cmd.Commands() {
		describe(b, sub)
	}
}

// flags are the command's flags, without the connection flags that all commands
// have.
func flags(b *strings.Builder, cmd *cobra.Command) {
	var rows []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		asks := cmd.Flag("context") != nil
		if f.Name == "help" || asks && slices.Contains([]string{"server", "nats", "context"}, f.Name) {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		initial := ""
		nothing := []string{"", "false", "0", "0s", "[]", hostname()} // the last differs on every machine
		if !slices.Contains(nothing, f.DefValue) {
			initial = "`" + f.DefValue + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", name, escape(f.Usage), initial))
	})
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| flag | | default |\n|---|---|---|\n%s\n", strings.Join(rows, "\n"))
	}
	if cmd.Flag("context") != nil && cmd.Parent() != nil && !strings.HasPrefix(cmd.CommandPath(), "hodei context") {
		b.WriteString("\nand `--server`, `--nats` or `--context`: where the system is.\n")
	}
}

func code(text string) string { return "```\n" + text + "\n```" }

func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(text)
}
