package cmdline

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// holdsSecret annotates a flag whose value may hold a password.
const holdsSecret = "holds a secret"

// fileSuffix makes the name of the flag that names a file with the value of
// another.
const fileSuffix = "-file"

// Secret declares that the values of the named flags may hold a password. hide
// removes such a value from the argument list; it can also be read from a file,
// which keeps it out of the argument list and the environment from the start.
func Secret(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		Hidden(flags, name)
		flags.String(name+fileSuffix, "", "file that holds the value of --"+name)
	}
}

// Hidden is secret without the flag for a file.
func Hidden(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flags.Lookup(name).Annotations = map[string][]string{holdsSecret: {}}
	}
}

// secrets are the flags that secret and hidden declared.
func secrets(flags *pflag.FlagSet) (found []*pflag.Flag) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations[holdsSecret] != nil {
			found = append(found, f)
		}
	})
	return found
}

// readFiles sets the flags whose value is in a file.
func readFiles(flags *pflag.FlagSet) error {
	for _, f := range secrets(flags) {
		file := flags.Lookup(f.Name + fileSuffix)
		if file == nil || file.Value.String() == "" {
			continue
		}
		if f.Changed {
			return Usagef("--%s and --%s exclude each other, and so do %s and %s", f.Name, file.Name, variableOf(f.Name), variableOf(file.Name))
		}
		text, err := os.ReadFile(file.Value.String())
		if err != nil {
			return Usagef("--%s: %w", file.Name, err)
		}
		value := strings.TrimSpace(string(text))
		if value == "" {
			return Usagef("--%s: %s is empty", file.Name, file.Value)
		}
		if err := flags.Set(f.Name, value); err != nil {
			return Usagef("--%s: %w", file.Name, err)
		}
	}
	return nil
}

// Hide removes secrets from what the system shows of this process: the whole
// environment, and the values of secret flags in the argument list. It does not
// change what os.Getenv returns, except that secret flags are unset there, so
// that no child inherits them by mistake.
func Hide(flags *pflag.FlagSet) error {
	var values []string
	for _, f := range secrets(flags) {
		os.Unsetenv(variableOf(f.Name))
		if value := f.Value.String(); value != "" && !isBareURL(value) {
			values = append(values, value)
		}
	}
	return overwrite(values)
}

// isBareURL reports whether the value is a URL without a user and parameters. ps shows
// it, so that people see what a role connects to.
func isBareURL(value string) bool {
	return strings.Contains(value, "://") && !strings.ContainsAny(value, "@?=")
}

// Protect keeps from the commands that a role runs, or that run beside it, what
// is the role's alone: its secrets, its memory and the descriptors that it
// inherited. The umask, which commands inherit, keeps what they write from other
// users.
func Protect(cmd *cobra.Command) error {
	if cmd.GroupID != "roles" && cmd.Name() != "reaper" {
		return nil
	}
	if err := Hide(cmd.Flags()); err != nil {
		return fmt.Errorf("hide the environment and the arguments of this process: %w", err)
	}
	unix.Umask(0o077)
	if err := undumpable(); err != nil {
		return fmt.Errorf("protect the memory of this process: %w", err)
	}
	open, err := os.ReadDir(descriptors)
	if err != nil {
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(filepath.Base(entry.Name())); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
