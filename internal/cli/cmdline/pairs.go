package cmdline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
)

// Pairs is a flag K=V that may be repeated. pflag's own splits at commas and
// strips quotes, which values of environment variables do not survive.
type Pairs map[string]string

func (p *Pairs) Type() string { return "k=v" }

func (p *Pairs) String() string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(*p)) {
		words = append(words, key+"="+(*p)[key])
	}
	return strings.Join(words, " ")
}

func (p *Pairs) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return fmt.Errorf("K=V required, not %q", text)
	}
	if *p == nil {
		*p = Pairs{}
	}
	(*p)[key] = value
	return nil
}

// Later is a flag with a time, given as such or as a duration from now.
type Later struct{ At *time.Time }

func (l *Later) Type() string { return "time" }

func (l *Later) String() string {
	if l.At == nil {
		return ""
	}
	return l.At.Format(time.RFC3339Nano)
}

func (l *Later) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		l.At = &at
		return nil
	}
	var ahead Duration
	if err := ahead.Set(text); err != nil {
		return fmt.Errorf("a time such as 2027-01-31T08:00:00Z or a duration such as 90m, 2h or 7d required, not %q", text)
	}
	at := time.Now().Add(time.Duration(ahead)).UTC()
	l.At = &at
	return nil
}

// Scalars returns the pairs as values of parameters.
func (p Pairs) Scalars() map[string]hodei.Scalar {
	out := make(map[string]hodei.Scalar, len(p))
	for name, value := range p {
		out[name] = hodei.Scalar(value)
	}
	return out
}

// Given is the value of a flag, nil for one that was not given.
func Given[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

// BeforeDash requires the named arguments before --. Those after it are a command to run.
func BeforeDash(names ...string) cobra.PositionalArgs {
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
