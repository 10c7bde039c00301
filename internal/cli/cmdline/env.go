package cmdline

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FromEnvironment sets every flag that was not given: from its HODEI_ variable if that
// is not empty, or from the file that its -file flag names.
func FromEnvironment(flags *pflag.FlagSet) error {
	given := map[string]bool{"help": true}
	flags.Visit(func(f *pflag.Flag) {
		given[f.Name] = true
		given[f.Name+fileSuffix] = true
		given[strings.TrimSuffix(f.Name, fileSuffix)] = true
	})
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(variableOf(f.Name))
		if value == "" || given[f.Name] || failed != nil || FromCommandLineOnly(f) {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = Usagef("%s: %w", variableOf(f.Name), err)
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

// FromCommandLineOnly reports whether the flag ignores the environment.
func FromCommandLineOnly(f *pflag.Flag) bool { return f.Annotations[onlyGiven] != nil }

// Connection are the flags for the address of the system and for the output.
var Connection = []string{"server", "nats", "context", "output", "token", "token-file"}

// CommandLineOnly makes all flags except some ignore the environment: a HODEI_NAME that
// was set for a worker must not change a record.
func CommandLineOnly(flags *pflag.FlagSet, but ...string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(but, f.Name) {
			f.Annotations = map[string][]string{onlyGiven: {}}
		}
	})
}
