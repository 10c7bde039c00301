package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/services/access"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// retentionFlags are how long the worker manager keeps logs and ended
// executions.
type retentionFlags struct{ logs, executions cmdline.Duration }

func (f *retentionFlags) add(flags *pflag.FlagSet) {
	f.logs, f.executions = cmdline.Duration(30*cmdline.Day), cmdline.Duration(90*cmdline.Day)
	flags.Var(&f.logs, "log-retention", "how long logs are kept")
	flags.Var(&f.executions, "execution-retention", "how long runs and executions are kept after their end, except the last of each pipeline and job; 0: for ever")
}

// auditFlag is how long the access service keeps the audit log.
type auditFlag struct{ kept cmdline.Duration }

func (f *auditFlag) add(flags *pflag.FlagSet) {
	f.kept = cmdline.Duration(365 * cmdline.Day)
	flags.Var(&f.kept, "audit-retention", "how long the audit log is kept; 0: for ever")
}

func (f *auditFlag) config() *access.Config {
	return &access.Config{AuditRetention: time.Duration(f.kept)}
}

func (f *retentionFlags) set(cfg *workermanager.Config) error {
	if f.logs == 0 {
		return cmdline.Usagef("--log-retention must be more than 0")
	}
	cfg.LogRetention, cfg.ExecutionRetention = time.Duration(f.logs), time.Duration(f.executions)
	return nil
}
