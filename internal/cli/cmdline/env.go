package cmdline

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FromEnvironment sets every flag that was not given: from its HODEI_ variable if that
// is not empty, or from the file that its -file flag names. With names, variables set
// only the flags with these names.
func FromEnvironment(flags *pflag.FlagSet, names ...string) error {
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
		if len(names) > 0 && !slices.Contains(names, f.Name) {
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

// Connection are the flags that commands for people take from the environment: the
// address of the system and the output. A job has HODEI_JOB, HODEI_PIPELINE and more,
// and a role HODEI_NAME, which must not choose or change a record.
var Connection = []string{"server", "nats", "context", "output", "token", "token-file"}

// CommandLineOnly makes all flags ignore the environment.
func CommandLineOnly(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[onlyGiven] = []string{}
	})
}
