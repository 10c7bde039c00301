package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/services/access"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// component is a role of the server: add adds its own flags, set its configuration.
type component interface {
	add(flags *pflag.FlagSet)
	set(ctx context.Context, cfg *system.Config) error
}

// components are the roles of the server.
var components = []struct {
	name, about string
	flags       func() component
}{
	{"orchestrator", "Pipelines, jobs and the creation of executions", func() component { return orchestratorFlags{} }},
	{"scheduler", "The queue and the choice of worker", func() component { return &schedulerFlags{} }},
	{"worker-manager", "Workers, assignment, the end of executions and their logs", func() component { return &managerFlags{} }},
	{"access", "Tokens, sessions and the audit log: who may do what, and who did", func() component { return &accessFlags{} }},
	{"artifacts", "The files that jobs leave", func() component { return &storeFlags{} }},
	{"edge", "HTTP: REST and server-sent events on three ports", func() component { return &edgeFlags{} }},
}

type orchestratorFlags struct{}

func (orchestratorFlags) add(*pflag.FlagSet) {}

func (orchestratorFlags) set(_ context.Context, cfg *system.Config) error {
	cfg.Orchestrator = &orchestrator.Config{}
	return nil
}

// managerFlags are those of the worker manager.
type managerFlags struct {
	replicas   int
	streamMiB  int64
	retention  retentionFlags
	notify     notifyFlags
	secretsKey string
	lostAfter  cmdline.Duration
}

func (f *managerFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.replicas, "replicas", 1, "replicas of the streams, in a NATS cluster")
	flags.Int64Var(&f.streamMiB, "stream-limit", 3072, "storage limit of the streams in NATS, in MiB: two thirds logs, one third events")
	f.retention.add(flags)
	f.notify.add(flags)
	addSecretsKey(flags, &f.secretsKey, "(default none: no secrets)")
	f.lostAfter = cmdline.Duration(45 * time.Second)
	flags.Var(&f.lostAfter, "lost-after", "silence after which a worker is declared lost")
}

func (f *managerFlags) set(_ context.Context, cfg *system.Config) (err error) {
	own := &workermanager.Config{LostAfter: time.Duration(f.lostAfter)}
	own.Storage.Replicas, own.Storage.MaxBytes = f.replicas, f.streamMiB<<20
	if f.secretsKey != "" {
		own.Secrets, err = seal.Load(f.secretsKey)
	}
	cfg.Manager = own
	return errors.Join(err, f.retention.set(own), f.notify.set(own))
}

// accessFlags are those of the access service.
type accessFlags struct {
	audit       auditFlag
	calloutKeys string
}

func (f *accessFlags) add(flags *pflag.FlagSet) {
	f.audit.add(flags)
	flags.StringVar(&f.calloutKeys, "callout-keys", "", "file with the keys with which it decides who may connect to NATS, as hodei setup writes it (default none: nats.conf decides)")
}

func (f *accessFlags) set(_ context.Context, cfg *system.Config) (err error) {
	cfg.Access = f.audit.config()
	if f.calloutKeys != "" {
		cfg.Access.Callout, err = access.LoadCalloutKeys(f.calloutKeys)
	}
	return err
}

// storeFlags are those of the artifacts service.
type storeFlags struct{ files artifactFlags }

func (f *storeFlags) add(flags *pflag.FlagSet) { f.files.add(flags, "required") }

func (f *storeFlags) set(ctx context.Context, cfg *system.Config) (err error) {
	cfg.Artifacts, err = f.files.config(ctx, "")
	return err
}
