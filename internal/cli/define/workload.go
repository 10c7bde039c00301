package define

import (
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

// Workload has the flags that define the command and its requirements.
type Workload struct {
	script      string
	Environment cmdline.Pairs
	NotBefore   cmdline.Later
	// The other flags are not for the execution of a job, which has its own values.
	kind    string
	labels  cmdline.Pairs
	timeout cmdline.Duration
	slots   int
}

// AddCommand adds the flags of the command.
func (w *Workload) AddCommand(flags *pflag.FlagSet) {
	flags.StringVarP(&w.script, "command", "c", "", "shell script to run, instead of a command after --")
	flags.VarP(&w.Environment, "env", "e", "environment variable; repeatable")
}

// AddStart adds the flags of an execution or a run that a job does not have.
func (w *Workload) AddStart(flags *pflag.FlagSet) {
	flags.Var(&w.NotBefore, "not-before", "start no earlier than at this time (RFC 3339), or in 90m, 2h or 7d")
}

// AddNeeds adds the flags of the requirements and the timeout.
func (w *Workload) AddNeeds(flags *pflag.FlagSet) {
	w.AddRequirements(flags)
	flags.Var(&w.timeout, "timeout", "timeout, such as 90s, 2h or 1d (default: none)")
}

// AddRequirements adds the flags of what a worker must have.
func (w *Workload) AddRequirements(flags *pflag.FlagSet) {
	flags.StringVar(&w.kind, "type", "", "required worker type")
	flags.Var(&w.labels, "label", "label that the worker must have; repeatable")
	flags.IntVar(&w.slots, "slots", 0, "slots required (default 1)")
}

// Command returns the script from --command or the words after --, nil without either.
func (w *Workload) Command(words []string) (*hodei.Command, error) {
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

// Request returns what the flags and the words after -- describe.
func (w *Workload) Request(words []string) (schemas.RunRequest, error) {
	command, err := w.Command(words)
	if err != nil {
		return schemas.RunRequest{}, err
	}
	if w.slots < 0 {
		return schemas.RunRequest{}, cmdline.Usagef("--slots must not be negative")
	}
	req := schemas.RunRequest{Command: command, Environment: w.Environment, Type: cmdline.Given(w.kind)}
	if w.timeout > 0 {
		seconds := w.timeout.Seconds()
		req.TimeoutSeconds = &seconds
	}
	if w.slots > 0 || len(w.labels) > 0 {
		req.Requirements = &hodei.Requirements{Capacity: w.slots, Labels: w.labels}
	}
	return req, nil
}
