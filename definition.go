package hodei

import "encoding/json"

// DefaultRunTimeout is the running time of a run, in seconds, after which it ends
// unless the definition has another.
const DefaultRunTimeout = 24 * 3600

// Definition is a whole pipeline as hodei.yaml has it: its settings and its jobs.
// The file names some fields otherwise (env, timeout, keep, backoff), as the tag
// file has it, and has durations such as 1h; see internal/definition.
type Definition struct {
	// Slug names the pipeline in addresses and commands; unique.
	Slug string `json:"slug" jsonschema:"required,minLength=1,maxLength=63,pattern=^[a-z0-9][a-z0-9-]*$"`
	// Name is the display name; the slug if left out.
	Name string `json:"name,omitempty" jsonschema:"maxLength=200,pattern=\\S"`
	// Description is free text.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	Settings
	// Jobs are in the order of the file, those of finally last. Defaults are merged
	// into each.
	Jobs []JobDefinition `json:"jobs" file:",keyed"`
}

// Settings are the fields of a pipeline besides its jobs.
type Settings struct {
	// Params are values that are given to a run, in the order of the file.
	Params []Param `json:"params,omitempty" file:",keyed"`
	// Source is the tree that every job of a run starts with.
	Source *Source `json:"source,omitempty"`
	// Hooks start a run for an event of another system.
	Hooks []HookSpec `json:"hooks,omitempty" jsonschema:"maxItems=20"`
	// Schedules start a run at certain times.
	Schedules []ScheduleSpec `json:"schedules,omitempty" jsonschema:"maxItems=50"`
	// Notify sends a message for events of runs.
	Notify []NotifySpec `json:"notify,omitempty" jsonschema:"maxItems=20"`
	// Environment is that of every job; the environment of a job goes before it.
	Environment map[string]string `json:"environment,omitempty" file:"env"`
	// Defaults are fields of every job that does not give its own, as the file has them.
	// They are merged into Jobs, and kept to write the file.
	Defaults json.RawMessage `json:"defaults,omitempty"`
	// Concurrency bounds the number of runs at a time.
	Concurrency *Concurrency `json:"concurrency,omitempty"`
	// TimeoutSeconds is the running time of a whole run; 24 hours when null.
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" file:"timeout,duration" jsonschema:"exclusiveMinimum=0,maximum=31536000,default=86400"`
	// FailFast cancels the rest of a run at the first failure.
	FailFast bool `json:"fail_fast,omitempty" jsonschema:"default=false"`
	// Order has the keys of the jobs as the file orders them.
	Order []string `json:"order,omitempty" file:"-"`
}

// JobDefinition is a job as its pipeline defines it.
type JobDefinition struct {
	// Name is the display name; the key if left out.
	Name *string `json:"name,omitempty" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Description is free text.
	Description *string `json:"description,omitempty" jsonschema:"maxLength=2000"`
	// Type is the worker type wanted, the same as requirements.type.
	Type *string `json:"type,omitempty" jsonschema:"minLength=1,maxLength=100"`
	Spec
}

// Param is a value that is given to a run. Commands find it in PARAM_ and the name
// in upper case.
type Param struct {
	Name string `json:"name" file:",key" jsonschema:"maxLength=100,pattern=^[A-Za-z_][A-Za-z0-9_-]*$"`
	// Type is the type of the value.
	Type string `json:"type,omitempty" jsonschema:"enum=string,enum=number,enum=boolean,default=string"`
	// Enum are the values that it may have; any if left out.
	Enum []Scalar `json:"enum,omitempty" jsonschema:"minItems=1,maxItems=1000"`
	// Default is the value of a run that gives none; empty if left out.
	Default *Scalar `json:"default,omitempty"`
	// Required refuses a run without the value.
	Required bool `json:"required,omitempty" jsonschema:"default=false"`
	// Description is free text.
	Description string `json:"description,omitempty" jsonschema:"maxLength=2000"`
}

// Source is the git repository that a run is made of.
type Source struct {
	// Git is the address of the repository.
	Git string `json:"git" jsonschema:"required,minLength=1,maxLength=2000"`
	// Ref is the branch, tag or commit of a run that names none; the default branch
	// if left out.
	Ref string `json:"ref,omitempty" jsonschema:"maxLength=1000"`
	// Definition is the path of the definition in the repository, for runs that read it there.
	Definition string `json:"definition,omitempty" jsonschema:"maxLength=1000,default=hodei.yaml"`
	// Secret is the name of the secret with the credential.
	Secret string `json:"secret,omitempty" jsonschema:"maxLength=100"`
	// Depth is the number of commits of history; 0 means all of them, and tags.
	Depth *int `json:"depth,omitempty" jsonschema:"minimum=0,maximum=1000000,default=1"`
	// Submodules fetches them too.
	Submodules bool `json:"submodules,omitempty" jsonschema:"default=false"`
}

// HookSpec starts a run for an event of another system.
type HookSpec struct {
	// Kind is the system that sends the event.
	Kind string `db:"-" json:"kind" jsonschema:"required,enum=generic,enum=github,enum=gitea,enum=gitlab"`
	// Secret is the name of the secret that events are signed with.
	Secret string `db:"-" json:"secret" jsonschema:"required,minLength=1,maxLength=100"`
	// Events are the kinds of events that start a run. Default: push and pull_request, and tag
	// if tags is given.
	Events []string `db:"-" json:"events,omitempty" jsonschema:"enum=push,enum=tag,enum=pull_request"`
	// Branches are globs: of a push the branch, of a pull request its base.
	Branches []string `db:"-" json:"branches,omitempty" jsonschema:"maxItems=100"`
	// Tags are globs; tags start a run only where it is given.
	Tags []string `db:"-" json:"tags,omitempty" jsonschema:"maxItems=100"`
	// Paths are globs of files, one of which must have changed. They have no effect on a pull
	// request, or on a push whose files the sender does not list.
	Paths []string `db:"-" json:"paths,omitempty" jsonschema:"maxItems=100"`
	// Params maps each param of the run to the place of its value in the body of the event, such
	// as head_commit.id.
	Params map[string]string `db:"-" json:"params,omitempty"`
	// Forks is what happens to a pull request from a fork: ignore it; approve, which waits for an
	// operator; or run it without secrets.
	Forks string `db:"-" json:"forks,omitempty" jsonschema:"enum=ignore,enum=approve,enum=run,default=ignore"`
	// Definition is the source of the run's definition: applied, or repository, which is the file
	// in the pushed commit of one of the branches or tags. Pull requests always use the applied
	// definition.
	Definition string `db:"-" json:"definition,omitempty" jsonschema:"enum=applied,enum=repository,default=applied"`
}

// ScheduleSpec starts a run at certain times; exactly one of cron, every and at is
// given.
type ScheduleSpec struct {
	// Name is for people; unique in the definition.
	Name string `db:"-" json:"name,omitempty" jsonschema:"maxLength=200"`
	// Cron is five fields, or a word such as @hourly.
	Cron string `db:"-" json:"cron,omitempty" jsonschema:"maxLength=200"`
	// EverySeconds is the time from one run to the next.
	EverySeconds *float64 `db:"-" json:"every_seconds,omitempty" file:"every,duration" jsonschema:"minimum=1,maximum=31536000"`
	// At is a single time, as 2027-01-01T00:00:00Z.
	At string `db:"-" json:"at,omitempty" jsonschema:"format=date-time"`
	// Timezone is the IANA name of the zone that cron is in.
	Timezone string `db:"-" json:"timezone,omitempty" jsonschema:"maxLength=100,default=UTC"`
	// Params are the values of the runs.
	Params map[string]Scalar `db:"-" json:"params,omitempty"`
	// Definition is the source of the run's definition: applied, or repository, which is the file
	// in the branch of the source.
	Definition string `db:"-" json:"definition,omitempty" jsonschema:"enum=applied,enum=repository,default=applied"`
	// Overlap is the action if the previous run has not ended.
	Overlap string `db:"-" json:"overlap,omitempty" jsonschema:"enum=skip,enum=queue,enum=allow,enum=cancel,default=skip"`
	// CatchUp is the action for missed times of the last hour.
	CatchUp string `db:"-" json:"catch_up,omitempty" jsonschema:"enum=none,enum=last,enum=all,default=last"`
	// JitterSeconds delays each run by up to so long.
	JitterSeconds *float64 `db:"-" json:"jitter_seconds,omitempty" file:"jitter,duration" jsonschema:"minimum=0,maximum=86400"`
	// PauseAfterFailures is the number of failures in a row that pause it; 0 means never.
	PauseAfterFailures int `db:"-" json:"pause_after_failures,omitempty" jsonschema:"minimum=0,maximum=1000,default=0"`
	// Paused starts nothing.
	Paused bool `db:"-" json:"paused,omitempty" jsonschema:"default=false"`
}

// NotifySpec sends a message for events of runs; exactly one of webhook, slack,
// email and commit_status is given.
type NotifySpec struct {
	// Events are those that are sent; completed and failed if left out.
	Events []string `json:"events,omitempty" jsonschema:"enum=started,enum=completed,enum=failed,enum=recovered,enum=cancelled,enum=blocked"`
	// Webhook is the address of a signed webhook.
	Webhook string `json:"webhook,omitempty" jsonschema:"maxLength=2000"`
	// Slack is the address of an incoming webhook of Slack.
	Slack string `json:"slack,omitempty" jsonschema:"maxLength=2000"`
	// Email are the addresses of an e-mail.
	Email []string `json:"email,omitempty" jsonschema:"maxItems=50"`
	// CommitStatus is the system, such as github, in which the commit of the run gets a status.
	// Without events, every change of the run updates the status.
	CommitStatus string `json:"commit_status,omitempty" jsonschema:"enum=github,enum=gitea,enum=gitlab"`
	// Repository is the web address of the repository whose commits get a status. Default: the
	// repository of source.
	Repository string `json:"repository,omitempty" jsonschema:"maxLength=2000"`
	// Secret is the name of the secret with the key or the token.
	Secret string `json:"secret,omitempty" jsonschema:"maxLength=100"`
}

// Actions for a run whose concurrency key is taken.
const (
	ConflictQueue         = "queue"
	ConflictCancelWaiting = "cancel_waiting"
	ConflictCancelRunning = "cancel_running"
	ConflictReject        = "reject"
)

// Concurrency bounds the number of runs of the pipeline with the same key at a time.
type Concurrency struct {
	// Key names the group of runs that the limit counts. It belongs to the pipeline: runs of
	// other pipelines with the same key are another group.
	Key string `json:"key" jsonschema:"required,minLength=1,maxLength=500"`
	// Limit is the number of runs at a time.
	Limit int `json:"limit,omitempty" jsonschema:"minimum=1,maximum=10000,default=1"`
	// OnConflict is what happens with a run beyond the limit: it waits, or waits in the
	// place of those that wait, or of those that run too, or is refused.
	OnConflict string `json:"on_conflict,omitempty" jsonschema:"enum=queue,enum=cancel_waiting,enum=cancel_running,enum=reject,default=queue"`
}
