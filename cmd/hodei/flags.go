package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/hodei-jobs/hodei"
)

// fromEnvironment sets every flag that was not given from its HODEI_ variable,
// where that is not empty, or from a file.
func fromEnvironment(flags *pflag.FlagSet) error {
	given := map[string]bool{"help": true}
	flags.Visit(func(f *pflag.Flag) {
		given[f.Name] = true
		given[f.Name+fileSuffix] = true
		given[strings.TrimSuffix(f.Name, fileSuffix)] = true
	})
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(variableOf(f.Name))
		if value == "" || given[f.Name] || failed != nil || f.Annotations[onlyGiven] != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = usageError{fmt.Errorf("%s: %w", variableOf(f.Name), err)}
		}
	})
	if failed == nil {
		failed = readFiles(flags)
	}
	return failed
}

// variableOf is the environment variable of a flag.
func variableOf(flag string) string {
	return "HODEI_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// onlyGiven marks a flag that the environment does not set.
const onlyGiven = "only given"

// connection are the flags that say where the system is and how to print.
var connection = []string{"server", "nats", "context", "output"}

// commandLineOnly has all flags but some ignore the environment: what changes a
// record must not come from a HODEI_NAME that was meant for a worker.
func commandLineOnly(flags *pflag.FlagSet, but ...string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(but, f.Name) {
			f.Annotations = map[string][]string{onlyGiven: {}}
		}
	})
}

// byteSize is a flag in bytes, as "100MiB".
type byteSize int64

func (s *byteSize) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(*s)), " ", "") }

func (*byteSize) Type() string { return "size" }

// Set reads a number with a unit: MiB and its like are powers of 1024, MB of 1000.
func (s *byteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n < 1 || n > math.MaxInt64 {
		return errors.New("a size of at least one byte required, as 100MiB")
	}
	*s = byteSize(n)
	return nil
}

// exitStatus is an exit status without a message: a command's own.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

// exitCode is the exit status for an error: 1 failed, 2 usage, 3 not found,
// 4 refused, 5 unavailable.
func exitCode(err error) int {
	switch {
	case errors.As(err, new(usageError)):
		return 2
	case errors.Is(err, hodei.NotFound):
		return 3
	case errors.Is(err, hodei.Conflict), errors.Is(err, hodei.Rejected), errors.Is(err, hodei.Invalid):
		return 4
	case errors.Is(err, hodei.Unavailable), errors.Is(err, hodei.Timeout):
		return 5
	}
	return 1
}

// oneLine is the error on one line that cannot steer a terminal: it may quote
// names and output of others.
func oneLine(err error) string {
	return plain(strings.Join(strings.Fields(err.Error()), " "))
}

// version is the version that the binary was built as.
func version() string {
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

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: "other", Short: "Print the version and the commit it was built from", Args: cobra.NoArgs, Example: "  hodei version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionLine is the version with what is known of the commit it was built from.
func versionLine() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return "hodei " + version() + built(info.Settings) + "\n"
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

// newLog logs to standard error: for people on a terminal, as JSON elsewhere.
func newLog(level string) (*slog.Logger, error) {
	var at slog.Level
	if err := at.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level: debug, info, warn or error required")}
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: at, TimeFormat: "15:04:05.000", NoColor: os.Getenv("NO_COLOR") != ""})), nil
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: at})), nil
}

// slots is a worker's capacity: four a core unless given, for commands mostly
// wait.
func slots(capacity int) int {
	if capacity == 0 {
		return 4 * runtime.NumCPU()
	}
	return capacity
}
