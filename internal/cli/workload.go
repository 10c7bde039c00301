package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

// pairs is a flag K=V that may be repeated. pflag's own splits at commas and
// strips quotes, which values of environment variables do not survive.
type pairs map[string]string

func (p *pairs) Type() string { return "k=v" }

func (p *pairs) String() string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(*p)) {
		words = append(words, key+"="+(*p)[key])
	}
	return strings.Join(words, " ")
}

func (p *pairs) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return fmt.Errorf("K=V required, not %q", text)
	}
	if *p == nil {
		*p = pairs{}
	}
	(*p)[key] = value
	return nil
}

// later is a flag that takes a time, or how far ahead it is.
type later struct{ at *time.Time }

func (l *later) Type() string { return "time" }

func (l *later) String() string {
	if l.at == nil {
		return ""
	}
	return l.at.Format(time.RFC3339Nano)
}

func (l *later) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		l.at = &at
		return nil
	}
	var ahead cmdline.Age
	if err := ahead.Set(text); err != nil {
		return fmt.Errorf("a time such as 2027-01-31T08:00:00Z or a duration such as 90m, 2h or 7d required, not %q", text)
	}
	at := time.Now().Add(time.Duration(ahead)).UTC()
	l.at = &at
	return nil
}

// scalars are the pairs as values of parameters.
func (p pairs) scalars() map[string]hodei.Scalar {
	out := make(map[string]hodei.Scalar, len(p))
	for name, value := range p {
		out[name] = hodei.Scalar(value)
	}
	return out
}

// workload are the flags that define the command and its requirements.
type workload struct {
	script      string
	environment pairs
	notBefore   later
	// The rest is not for a job that is executed: it has its own.
	kind    string
	labels  pairs
	timeout time.Duration
	slots   int
}

func (w *workload) addCommand(flags *pflag.FlagSet) {
	flags.StringVarP(&w.script, "command", "c", "", "shell script to run, instead of a command after --")
	flags.VarP(&w.environment, "env", "e", "environment variable; repeatable")
}

// addStart adds what is for an execution or a run, and not for a job.
func (w *workload) addStart(flags *pflag.FlagSet) {
	flags.Var(&w.notBefore, "not-before", "start no earlier than at this time (RFC 3339), or in 90m, 2h or 7d")
}

func (w *workload) addNeeds(flags *pflag.FlagSet) {
	w.addRequirements(flags)
	flags.DurationVar(&w.timeout, "timeout", 0, "timeout, such as 90s or 2h (default: none)")
}

func (w *workload) addRequirements(flags *pflag.FlagSet) {
	flags.StringVar(&w.kind, "type", "", "required worker type")
	flags.Var(&w.labels, "label", "label that the worker must have; repeatable")
	flags.IntVar(&w.slots, "slots", 0, "slots required (default 1)")
}

// command is a script from --command or the words after --, nil without either.
func (w *workload) command(words []string) (*hodei.Command, error) {
	switch {
	case w.script != "" && len(words) > 0:
		return nil, cmdline.Usagef("--command and a command after -- exclude each other")
	case w.script != "":
		return &hodei.Command{Shell: w.script}, nil
	case len(words) > 0:
		return &hodei.Command{Args: words}, nil
	}
	return nil, nil
}

func (w *workload) request(words []string) (schemas.RunRequest, error) {
	command, err := w.command(words)
	if err != nil {
		return schemas.RunRequest{}, err
	}
	if w.timeout < 0 || w.slots < 0 {
		return schemas.RunRequest{}, cmdline.Usagef("--timeout and --slots must not be negative")
	}
	req := schemas.RunRequest{Command: command, Environment: w.environment, Type: set(w.kind)}
	if w.timeout > 0 {
		seconds := w.timeout.Seconds()
		req.TimeoutSeconds = &seconds
	}
	if w.slots > 0 || len(w.labels) > 0 {
		req.Requirements = &hodei.Requirements{Capacity: w.slots, Labels: w.labels}
	}
	return req, nil
}

// set is the value of a flag, nil for one that was not given.
func set[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

// beforeDash wants the named arguments before --; what comes after it is a
// command to run.
func beforeDash(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		before := len(args)
		if at := cmd.ArgsLenAtDash(); at >= 0 {
			before = at
		}
		switch {
		case before < len(names):
			return fmt.Errorf("%s is missing", names[before])
		case before > len(names):
			return fmt.Errorf("unexpected argument %q; a command to run goes after --", args[len(names)])
		}
		return nil
	}
}
