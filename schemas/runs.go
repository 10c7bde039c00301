package schemas

import (
	"bytes"
	"encoding/json"

	"github.com/hodei-jobs/hodei"
)

// The operations on runs, which the orchestrator answers.
var (
	ExecutePipeline = declare[ExecutePipelineRequest, hodei.Run](Op{
		Name: "pipelines.execute", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/pipelines/{id}/execute", Status: 201, Creates: true,
		Summary: "Execute a pipeline: a run of all its jobs, in the order of their needs",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Rejected},
		Description: "The run uses the jobs as they are now. Jobs that name no needs run at once, all in parallel; a job without a " +
			"command is skipped. 429 when the pipeline's concurrency key is taken and on_conflict is \"reject\". The body may be left out.",
	})
	GetRun = declare[GetRunRequest, hodei.Run](Op{
		Name: "runs.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/runs/{id}",
		Summary: "Get a run with its jobs", Errors: []hodei.Code{hodei.NotFound},
	})
	ListRuns = declare[ListRunsRequest, List[hodei.Run]](Op{
		Name: "runs.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/runs",
		Summary: "List runs without their jobs, newest first",
	})
	FollowRun = declare[FollowRunRequest, RunLine](Op{
		Name: "runs.logs", Role: hodei.Viewer, Limit: "id", Service: Edge, Method: "GET", Path: "/runs/{id}/logs/stream", Streams: true,
		Summary: "Stream the logs of all jobs of a run as server-sent events", Errors: []hodei.Code{hodei.NotFound},
		Description: "With follow=true until the run ends, otherwise what there is. A line is a frame of `id` and `data: <RunLine>`: that " +
			"of an execution's log and the key of its job. Executions that have ended follow one after the other, in the order of the " +
			"definition; those that run, interleaved; the lines of one execution are always in order. `event: job` and `data: <RunJob>` report " +
			"a job that has changed; at first, and after a reconnection, each that does not wait for its needs; an end follows the last line of " +
			"the job. The end is `event: done` and `data: <RunLogEnd>`: a stream that ends without it was interrupted. An id is an opaque " +
			"position in the logs of all jobs: a request with it as Last-Event-ID resumes without gaps or duplicates. tail, since and until " +
			"apply to each execution. The executions that a rerun took from an earlier run are part of that run's log. A comment, " +
			"`: keep-alive`, follows 15 s of silence.",
	})
	CancelRun = declare[CancelRunRequest, hodei.Run](Op{
		Name: "runs.cancel", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/runs/{id}/cancel", Status: 202,
		Summary:     "Cancel a run: nothing more starts but its finally jobs, and what runs is ended",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "Cancelling a run of which only finally jobs are left ends these too. 409 once it has ended.",
	})
	RerunRun = declare[RerunRunRequest, hodei.Run](Op{
		Name: "runs.rerun", Role: hodei.Developer, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/runs/{id}/rerun", Status: 201, Creates: true,
		Summary: "Repeat a run that has ended: a new run of the jobs that did not succeed, and of everything downstream of them",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
		Description: "The other jobs keep their results and outputs, and conditions their answers. The new run uses the jobs as they " +
			"were in the old one. 409 while the old one has not ended.",
	})
	ApproveRun = declare[ApproveRunRequest, hodei.Run](Op{
		Name: "runs.approve", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/runs/{id}/jobs/{key}/approve",
		Summary: "Approve a job that is BLOCKED: it starts", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "409 for a job that does not wait for an approval.",
	})
	RejectRun = declare[RejectRunRequest, hodei.Run](Op{
		Name: "runs.reject", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/runs/{id}/jobs/{key}/reject",
		Summary: "Reject a job that is BLOCKED: it fails", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "409 for a job that does not wait for an approval.",
	})
)

// ExecutePipelineRequest executes a pipeline.
type ExecutePipelineRequest struct {
	// ID is the pipeline's id or slug.
	ID hodei.PipelineRef `json:"id" in:"path"`
	// Params are values of the pipeline's parameters; the others have their defaults.
	Params map[string]hodei.Scalar `json:"params,omitempty"`
	// Environment is laid over that of each job.
	Environment map[string]string `json:"environment,omitempty"`
	// Ref is the branch, tag or commit of the pipeline's source.
	Ref *string `json:"ref,omitempty" jsonschema:"minLength=1,maxLength=1000"`
	// Source is an uploaded tree with which every job starts, instead of the pipeline's source.
	Source *hodei.UploadedSource `json:"source,omitempty"`
	// Only are the keys of the jobs to run, besides those of finally. Needs of other jobs
	// count as succeeded. All jobs if left out.
	Only []string `json:"only,omitempty" jsonschema:"maxItems=1000"`
	Delayed
	// Trigger is "manual" where a person asks for the run, "api", the default, where a
	// program does.
	Trigger hodei.TriggerKind `json:"trigger,omitempty" jsonschema:"enum=manual,enum=api"`
}

// Validate reports an uploaded tree whose values are not valid.
func (r ExecutePipelineRequest) Validate() error {
	switch {
	case r.Source == nil:
		return nil
	case r.Ref != nil:
		return hodei.InvalidField("ref", "the tree is uploaded: leave out ref or source")
	case r.Source.Files < 0:
		return hodei.InvalidField("source.files", "must not be negative")
	}
	return validBlob(r.Source.Blob)
}

// GetRunRequest names a run.
type GetRunRequest struct {
	ID hodei.RunRef `json:"id" in:"path"`
}

// FollowRunRequest requests the logs of a run as a stream.
type FollowRunRequest struct {
	ID hodei.RunRef `json:"id" in:"path"`
	LogOptions
	// Follow keeps the stream open until the run ends; otherwise it ends after the existing
	// lines.
	Follow bool `json:"follow,omitempty" in:"query"`
}

// RunLine is a line in the logs of a run.
type RunLine struct {
	// Job is the key of the job in the run, as "test[os=linux]".
	Job string `json:"job"`
	hodei.LogLine
}

// RunFrame is a frame of the logs of a run: a line, or a job that has changed.
type RunFrame struct {
	Line *RunLine
	Job  *hodei.RunJob
}

// FrameJob is the kind of the frame of a job that has changed; that of a line has none.
const FrameJob = "job"

// RunLogEnd is the data of the `done` event that ends the logs of a run.
type RunLogEnd struct {
	RunID hodei.RunID `json:"run_id"`
	// Status and Reason are those of the run. Without follow it may not have ended.
	Status hodei.RunStatus `json:"status"`
	Reason *hodei.Reason   `json:"reason"`
}

// ListRunsRequest asks for a page of runs.
type ListRunsRequest struct {
	// PipelineID leaves only the runs of that pipeline, or of these, separated by commas.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	// Status leaves only the runs in one of these states, in any case, separated by
	// commas.
	Status OneOf[hodei.RunStatus] `json:"status,omitempty" in:"query" null:"true"`
	// Number leaves only the run with that number.
	Number int `json:"number,omitempty" in:"query" jsonschema:"minimum=1,maximum=2147483647"`
	// Trigger leaves only the runs started by one of these, separated by commas.
	Trigger OneOf[hodei.TriggerKind] `json:"trigger,omitempty" in:"query" null:"true"`
	Created
	Page
}

// CancelRunRequest names the run to cancel.
type CancelRunRequest struct {
	ID hodei.RunRef `json:"id" in:"path"`
}

// RerunRunRequest names the run to repeat.
type RerunRunRequest struct {
	ID hodei.RunRef `json:"id" in:"path"`
	// Jobs are "failed", the default, "all", or the keys of the jobs that run again,
	// with everything downstream of them.
	Jobs Selection `json:"jobs,omitempty"`
}

// Selection is a list of keys. In JSON a single one may stand without the list.
type Selection []string

// UnmarshalJSON reads a key or a list of them.
func (s *Selection) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '"' {
		*s = make(Selection, 1)
		return json.Unmarshal(data, &(*s)[0])
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// ApproveRunRequest approves a job that waits for it.
type ApproveRunRequest struct {
	RunAnswer
}

// RejectRunRequest refuses a job that waits for an approval.
type RejectRunRequest struct {
	RunAnswer
}

// RunAnswer names a job that waits for an approval.
type RunAnswer struct {
	ID hodei.RunRef `json:"id" in:"path"`
	// Key is the key of the job in the run, as "deploy" or "deploy[zone=a]".
	Key string `json:"key" in:"path"`
	// Comment is recorded with the answer.
	Comment *string `json:"comment,omitempty" jsonschema:"maxLength=2000"`
}
