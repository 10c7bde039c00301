package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/services/workermanager"
)

// day is what retention is counted in: Go has no unit for it.
const day = 24 * time.Hour

// age is a flag that holds a duration in days, as "90d", or as Go writes it.
type age time.Duration

func (a *age) Type() string { return "duration" }

func (a *age) String() string {
	if d := time.Duration(*a); d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return time.Duration(*a).String()
}

func (a *age) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // more would not fit into a Duration
		d = time.Duration(n) * day
	}
	if err != nil || d < 0 {
		return fmt.Errorf("a duration as 90d or 12h required, not %q", text)
	}
	*a = age(d)
	return nil
}

// retentionFlags are how long the worker manager keeps what has ended.
type retentionFlags struct{ logs, executions age }

func (f *retentionFlags) add(flags *pflag.FlagSet) {
	f.logs, f.executions = age(30*day), age(90*day)
	flags.Var(&f.logs, "log-retention", "how long logs are kept")
	flags.Var(&f.executions, "execution-retention", "how long executions are kept after their end, but for the last one of each job; 0: for ever")
}

func (f *retentionFlags) set(cfg *workermanager.Config) error {
	if f.logs == 0 {
		return usageError{errors.New("--log-retention must be more than 0")}
	}
	cfg.LogRetention, cfg.ExecutionRetention = time.Duration(f.logs), time.Duration(f.executions)
	return nil
}
