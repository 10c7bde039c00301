package hodei

import "time"

// RunPlan is the private part of a run: its definition as it was when the run was
// created, and how far the run is.
type RunPlan struct {
	// FailFast cancels the rest of the run when a job fails.
	FailFast bool `json:"fail_fast,omitzero"`
	// TimeoutSeconds bounds the time that the run spends running; 0 is no bound. The
	// time while it only waits for approvals does not count.
	TimeoutSeconds float64 `json:"timeout_seconds,omitzero"`
	// SpentSeconds is the time spent until ActiveSince, which is null while the clock is stopped.
	SpentSeconds float64    `json:"spent_seconds,omitzero"`
	ActiveSince  *time.Time `json:"active_since,omitzero"`
	// Stopping is why nothing more starts but the finally jobs; null while the run
	// goes on.
	Stopping *Reason `json:"stopping,omitzero"`
	// Held is true until the time of NotBefore has come.
	Held bool `json:"held,omitzero"`
	// NoSecrets is true for a run of a fork without an approval: neither its jobs nor the runs
	// that they start receive secrets.
	NoSecrets bool `json:"no_secrets,omitzero"`
	// CacheScope is the scope in which the run saves caches. For a run of a fork, and the runs
	// that it starts, it is the pull request, such as "pull/7"; otherwise "".
	CacheScope string `json:"cache_scope,omitzero"`
	// Concurrency is the key that the run shares with others of its pipeline, resolved.
	Concurrency *Concurrency `json:"concurrency,omitzero"`
	// Notify are the targets that receive notifications about the run.
	Notify []NotifySpec `json:"notify,omitzero"`
	// Depth is the number of runs above this one, each of which started the next.
	Depth int `json:"depth,omitzero"`
	// Grant limits the definition in the repository until the run has read it; nil for a run
	// with the applied definition.
	Grant *Grant `json:"grant,omitzero"`
	// StopFinally ends the finally jobs too: the run was cancelled while they ran.
	StopFinally bool `json:"stop_finally,omitzero"`
}

// Grant is what the definition in the repository may use: the secrets and pipelines of the
// applied definition. It also has the values of the run that the definition needs.
type Grant struct {
	// File is the path of the definition in the repository.
	File string `json:"file"`
	// Slug is the slug of the pipeline, which the file cannot change.
	Slug string `json:"slug,omitzero"`
	// Params are the values of the run's params.
	Params map[string]Scalar `json:"params,omitzero"`
	// Jobs are the jobs of the pipeline by their keys. A job of the file with the same key is
	// the same job.
	Jobs map[string]JobID `json:"jobs,omitzero"`
	// Secrets are the names of the secrets that jobs may receive. Pipelines are the slugs of the
	// pipelines that jobs may start.
	Secrets   []string `json:"secrets,omitzero"`
	Pipelines []string `json:"pipelines,omitzero"`
}

// JobPlan is the private part of a job in a run: its progress besides its state.
type JobPlan struct {
	// Condition is the answer to the job's If, null until its needs have ended. A
	// rerun keeps it.
	Condition *bool `json:"condition,omitzero"`
	// Stopping is why the job's execution or child run is being stopped; null otherwise.
	Stopping *Reason `json:"stopping,omitzero"`
	// CalledAt is when the child run was last requested.
	CalledAt *time.Time `json:"called_at,omitzero"`
	// RetryAt is when the next attempt of a job with a child run starts.
	RetryAt *time.Time `json:"retry_at,omitzero"`
	// Refused is why no run was created for this attempt.
	Refused *Refusal `json:"refused,omitzero"`
	// HasArtifacts is true if the job's last execution has kept artifacts.
	HasArtifacts bool `json:"has_artifacts,omitzero"`
	// Name is the name before the values of the leg are in it, for a leg that an output listed: a
	// rerun may have other legs.
	Name *string `json:"name,omitzero"`
	// Uploaded is the uploaded tree that replaces the source, so the job fetches nothing.
	Uploaded *UploadedSource `json:"uploaded,omitzero"`
}

// Refusal is why a pipeline was not started.
type Refusal struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// RunCall is a run to be created for a job of another run.
type RunCall struct {
	// Key is the key of the job and Attempt its attempt, which starts one run.
	Key     string
	Attempt int
	// Call has its references resolved.
	Call
	// Depth is that of the new run.
	Depth int
	// TimeoutSeconds bounds the running time of a run that the job waits for.
	TimeoutSeconds *float64
}

// Succeeded reports whether the job counts as success for those that need it. One
// that its own condition skipped does, and one that failed and was allowed to.
func (j RunJob) Succeeded() bool {
	switch j.Status {
	case JobCompleted:
		return true
	case JobSkipped:
		return j.Reason != nil && (*j.Reason == ReasonCondition || *j.Reason == ReasonNoCommand)
	}
	return j.Warning
}

// Active reports whether the job has an execution that has not ended.
func (s RunJobStatus) Active() bool { return s == JobPending || s == JobRunning }
