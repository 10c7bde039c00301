package cmdline

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
)

// ExitStatus ends the program with this status and without a message.
type ExitStatus int

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// UsageError is a mistake on the command line.
type UsageError struct{ error }

// Usagef is a mistake on the command line, described like fmt.Errorf does.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ExitCode is the exit status for an error: 1 failed, 2 usage, 3 not found,
// 4 refused, 5 unavailable. An error without a code has 1.
func ExitCode(err error) int {
	var code hodei.Code
	switch {
	case errors.As(err, new(UsageError)):
		return 2
	case !errors.As(err, &code):
		return 1
	}
	switch {
	case code == hodei.NotFound:
		return 3
	case code == hodei.Unavailable, code == hodei.Timeout:
		return 5
	case code.Status() < 500: // every other answer that blames the request
		return 4
	}
	return 1
}

// Noun is a command with one sub-command for each verb; alone it prints its help.
func Noun(use, short, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: KnownVerb}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(verbs...)
	return cmd
}

// KnownVerb refuses a verb that does not exist. Without it cobra prints the help and
// exits with 0.
func KnownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = max(1, min(2, len(args[0])/2)) // letters that may be wrong; 0 would be cobra's own
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return Usagef("%s; did you mean %s?", text, strings.Join(near, " or "))
	}
	return Usagef("%s; see %s --help", text, cmd.CommandPath())
}

// CheckFlags returns a UsageError for a required flag that is missing and for flags that exclude
// each other. cobra checks the same later and returns another error.
func CheckFlags(cmd *cobra.Command) error {
	if err := cmp.Or(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
		return UsageError{err}
	}
	return nil
}

// Strict makes every mistake in a command's arguments a UsageError that is found before
// anything is connected.
func Strict(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			err := args(cmd, given)
			if err == nil || errors.As(err, new(UsageError)) {
				return err
			}
			return Usagef("%w; usage: %s", err, cmd.UseLine())
		}
	}
	for _, sub := range cmd.Commands() {
		Strict(sub)
	}
}
