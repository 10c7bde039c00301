package schemas

import (
	"encoding/json"
	"time"

	"github.com/hodei-jobs/hodei"
)

// The worker manager owns worker records, assignment, the end of an execution
// and the log record.
var (
	Execute = declare[ExecuteRequest, AdHocExecution](Op{
		Name: "execute", Role: hodei.Developer, Service: Orchestrator, Method: "POST", Path: "/execute", Status: 201, Creates: true,
		Summary:     "Execute a command without a job",
		Description: "Answers at once, before a worker is found. The execution waits in the queue for a worker. Follow its log to see it run.",
	})
	RegisterWorker = declare[RegisterWorkerRequest, hodei.Worker](Op{
		Name: "workers.register", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/register", Status: 201, Creates: true, Open: true,
		Summary: "Register a new or restarted worker",
		Description: "The worker program does this when it starts. A record created by hand has no process " +
			"behind it and becomes OFFLINE. Unknown fields are ignored, because a worker may be newer " +
			"than the worker manager.",
	})
	JoinWorker = declare[RegisterWorkerRequest, hodei.Worker](Op{
		Name: "workers.join", Role: hodei.RoleWorker, Service: WorkerManager, Subject: Root + "workers.register", ByWorker: true,
		Summary: "Register the worker that asks, under the id that it has chosen",
		Errors:  []hodei.Code{hodei.Forbidden},
	})
	GetWorker = declare[GetWorkerRequest, hodei.Worker](Op{
		Name: "workers.get", Role: hodei.Viewer, Service: WorkerManager, Method: "GET", Path: "/workers/{id}",
		Summary: "Get a worker", Errors: []hodei.Code{hodei.NotFound},
	})
	ListWorkers = declare[ListWorkersRequest, List[hodei.Worker]](Op{
		Name: "workers.list", Role: hodei.Viewer, Service: WorkerManager, Method: "GET", Path: "/workers",
		Summary: "List workers, newest first",
	})
	CordonWorker = declare[CordonWorkerRequest, hodei.Worker](Op{
		Name: "workers.cordon", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/{id}/cordon", Status: 202,
		Summary: "Make a worker accept nothing new and stay connected",
		Description: "Its executions go on. The cordon outlasts restarts of the worker and of the services; an OFFLINE worker is " +
			"cordoned when it is back. Resume and an assignment that names the worker do not end it, uncordon does.",
		Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	UncordonWorker = declare[UncordonWorkerRequest, hodei.Worker](Op{
		Name: "workers.uncordon", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/{id}/uncordon", Status: 202,
		Summary: "Make a cordoned worker accept work again", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	DrainWorker = declare[DrainWorkerRequest, hodei.Worker](Op{
		Name: "workers.drain", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/{id}/drain", Status: 202,
		Summary:     "Drain a worker: it accepts nothing new, finishes its executions and leaves",
		Description: "Resume ends the draining, and so does assigning to this worker by id.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	ResumeWorker = declare[ResumeWorkerRequest, hodei.Worker](Op{
		Name: "workers.resume", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/{id}/resume", Status: 202,
		Summary: "Resume a draining worker", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	TerminateWorker = declare[TerminateWorkerRequest, hodei.Worker](Op{
		Name: "workers.terminate", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/workers/{id}/terminate", Status: 202,
		Summary: "Terminate a worker: it kills its executions and leaves", Errors: []hodei.Code{hodei.NotFound},
		Description: "A worker that is not connected is TERMINATED at once. A repeat changes nothing.",
	})
	DeleteWorker = declare[DeleteWorkerRequest, Empty](Op{
		Name: "workers.delete", Role: hodei.Operator, Service: WorkerManager, Method: "DELETE", Path: "/workers/{id}", Status: 204,
		Summary:     "Delete a worker that has left",
		Description: "409 unless it is OFFLINE or TERMINATED. Its executions keep its id. A worker that left more than 30 days ago is deleted without a request. If it connects again, it is recorded again.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	AssignExecution = declare[AssignRequest, Assignment](Op{
		Name: "workers.assign", Role: hodei.Operator, Service: WorkerManager, Method: "POST", Path: "/assign-job",
		Summary: "Assign a pending execution to the named or the best worker",
		Description: "Answers when the worker has accepted. 409 if the execution is not pending, 429 if no worker can " +
			"take it or the named one refuses.",
		Errors: []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
	})
	AssignExecutions = declare[AssignExecutionsRequest, Results[Assignment]](Op{
		Name: "executions.assign", Role: hodei.RoleService, Service: WorkerManager, AskedBy: []string{Scheduler}, Internal: true,
		Summary:     "Assign pending executions to one worker, in one commit",
		Description: "Sent by the scheduler, whose view may be out of date: a worker that drains continues to drain. Otherwise each as workers.assign.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
	})
	StartExecution = declare[StartRequest, Assignment](Op{
		Name: "executions.start", Role: hodei.RoleService, Service: WorkerManager, AskedBy: []string{Scheduler}, Internal: true,
		Summary:     "Create an execution and assign it to a worker in one commit",
		Description: "The scheduler calls it for an execution that does not exist yet; 409 if it does. Otherwise like workers.assign.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Rejected},
	})
	StopExecution = declare[StopExecutionRequest, hodei.Execution](Op{
		Name: "executions.stop", Role: hodei.RoleService, Service: WorkerManager, AskedBy: []string{Orchestrator, Scheduler}, Internal: true, Status: 202,
		Summary: "Cancel an execution in any state", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	FinishExecutions = declare[FinishRequest, Results[Finished]](Op{
		Name: "executions.finish", Role: hodei.RoleWorker, Service: WorkerManager, ByWorker: true,
		Summary: "Record the ends of runs of one worker, which repeats each until it is answered",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden},
	})
	LeaveWorker = declare[LeaveRequest, Empty](Op{
		Name: "workers.leave", Role: hodei.RoleWorker, Service: WorkerManager, ByWorker: true,
		Summary: "Record that one incarnation of a worker has ended and nothing of it runs",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Forbidden},
	})
	GetLogs = declare[GetLogsRequest, LogPage](Op{
		Name: "logs.get", Role: hodei.Viewer, Limit: "id", Service: WorkerManager, Method: "GET", Path: "/executions/{id}/logs",
		Summary: "Read the recorded log of an execution", Errors: []hodei.Code{hodei.NotFound},
		Description: "Server-sent events by default, in the frames of logs/stream; a page of JSON for " +
			"Accept: application/json; the lines alone for Accept: text/plain.",
	})
	ReadLogs = declare[ReadLogsRequest, RecordedLog](Op{
		Name: "logs.read", Role: hodei.Viewer, Limit: "id", Service: WorkerManager, AskedBy: []string{Edge},
		Summary: "Read stored chunks of the log of an execution", Errors: []hodei.Code{hodei.NotFound},
	})
	FollowLogs = declare[FollowLogsRequest, hodei.LogLine](Op{
		Name: "logs.stream", Role: hodei.Viewer, Limit: "id", Service: Edge, Method: "GET", Path: "/executions/{id}/logs/stream", Streams: true,
		Summary: "Stream the log of an execution as server-sent events", Errors: []hodei.Code{hodei.NotFound},
		Description: "Recorded lines first; with follow=true then new lines, without gaps or duplicates. Each line is a " +
			"frame of `id: <sequence>` and `data: <LogLine>`. The end is a frame of `event: done` and `data: <LogEnd>`: a " +
			"stream that ends without it was interrupted; a request with Last-Event-ID resumes it. A comment, " +
			"`: keep-alive`, follows 15 s of silence.",
	})
	FollowEvents = declare[FollowEventsRequest, Event](Op{
		Name: "events.stream", Role: hodei.Viewer, Limit: LimitOwn, Service: Edge, Method: "GET", Path: "/events", Streams: true,
		Summary: "Stream the events of executions and workers as server-sent events",
		Description: "A frame of `event: execution` has an Event, with its position in EXECUTION_EVENTS as `id`; `event: worker` has " +
			"a WorkerState, at first one for each worker. A request with Last-Event-ID resumes after that " +
			"event. `event: resync` means that this reader missed events and must read its state again: they are " +
			"no longer kept, or it read too slowly, and then the stream ends. With follow=true the stream stays open; " +
			"otherwise it ends with `event: done` and an EventsEnd after the existing events. A comment, `: keep-alive`, follows " +
			"15 s of silence.",
	})
)

// ExecuteRequest executes a command without a job.
type ExecuteRequest struct {
	RunRequest
	Delayed
}

// AdHocExecution is the reply of execute, before a worker is found.
type AdHocExecution struct {
	ID        hodei.ExecutionID     `json:"id"`
	Command   hodei.Command         `json:"command"`
	Status    hodei.ExecutionStatus `json:"status"`
	CreatedAt time.Time             `json:"created_at"`
	// EstimatedDuration is null: there is no history for a command without a
	// job.
	EstimatedDuration *float64 `json:"estimated_duration"`
	// Stream is the main output, "stdout"; standard error is recorded too.
	Stream        hodei.Stream `json:"stream"`
	LogsAvailable bool         `json:"logs_available"`
}

// RegisterWorkerRequest registers a worker. A restarted worker sends its
// earlier id: its earlier incarnation is then known to have ended.
type RegisterWorkerRequest struct {
	// ID is the id of an earlier registration of the same worker.
	ID *hodei.WorkerID `json:"id,omitempty"`
	// Name is the display name, such as the host name.
	Name *string `json:"name,omitempty" jsonschema:"minLength=1,maxLength=200"`
	// Type is the type that jobs can require, such as "rust".
	Type string `json:"type" jsonschema:"minLength=1,maxLength=100"`
	// Capacity is the number of its slots.
	Capacity int `json:"capacity" jsonschema:"minimum=1,maximum=10000"`
	// Labels are further properties that jobs can require; at most 4 KiB.
	Labels map[string]string `json:"labels,omitempty"`
	// Incarnation identifies one process of the worker.
	Incarnation string `json:"incarnation,omitempty" jsonschema:"maxLength=100"`
	// Version is the version of its program.
	Version *string `json:"version,omitempty" jsonschema:"maxLength=100"`
	// Dedicated workers accept only executions that name their type.
	Dedicated bool `json:"dedicated,omitempty"`
}

// Sender is the worker that joins.
func (r RegisterWorkerRequest) Sender() hodei.WorkerID {
	if r.ID == nil {
		return hodei.WorkerID{}
	}
	return *r.ID
}

// GetWorkerRequest identifies a worker.
type GetWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// CordonWorkerRequest identifies the worker to cordon.
type CordonWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// UncordonWorkerRequest identifies the worker to uncordon.
type UncordonWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// DrainWorkerRequest identifies the worker to drain.
type DrainWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
	// DeadlineSeconds is when executions that still run are killed; never if
	// left out.
	DeadlineSeconds *float64 `json:"deadline_seconds,omitempty" jsonschema:"minimum=0,maximum=31536000"`
}

// ResumeWorkerRequest identifies the worker to resume.
type ResumeWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// TerminateWorkerRequest identifies the worker to terminate.
type TerminateWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// DeleteWorkerRequest identifies the worker to delete.
type DeleteWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// ListWorkersRequest requests a page of workers.
type ListWorkersRequest struct {
	// Status selects the workers in one of these states, in any case, separated
	// by commas.
	Status OneOf[hodei.WorkerStatus] `json:"status,omitempty" in:"query" null:"true"`
	// Type selects the workers of one of these types, separated by commas.
	Type OneOf[string] `json:"type,omitempty" in:"query" null:"true"`
	Created
	Page
}

// AssignRequest assigns a pending execution.
type AssignRequest struct {
	// ExecutionID is a pending execution.
	ExecutionID hodei.ExecutionRef `json:"execution_id"`
	// WorkerRequirements replaces the requirements of the execution's record
	// for choosing the worker.
	WorkerRequirements *hodei.Requirements `json:"worker_requirements,omitempty"`
	// WorkerID names the worker. A draining worker resumes.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty"`
	// Scheduled makes a draining worker that worker_id names continue to drain.
	Scheduled bool `json:"scheduled,omitempty"`
}

// AssignExecutionsRequest assigns pending executions to one worker.
type AssignExecutionsRequest struct {
	WorkerID     hodei.WorkerID      `json:"worker_id"`
	ExecutionIDs []hodei.ExecutionID `json:"execution_ids" jsonschema:"minItems=1,maxItems=128"`
}

// StartRequest describes an execution that does not exist yet, and names its
// worker.
type StartRequest struct {
	PlaceRequest
	WorkerID hodei.WorkerID `json:"worker_id"`
}

// Assigned is the only status of an Assignment.
const Assigned = "ASSIGNED"

// Assignment is an execution that a worker has accepted.
type Assignment struct {
	WorkerID    hodei.WorkerID    `json:"worker_id"`
	Status      string            `json:"status" jsonschema:"enum=ASSIGNED"`
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	WorkerType  string            `json:"worker_type"`
	StartedAt   time.Time         `json:"started_at"`
	// Free is the number of the worker's free slots after that, Revision the
	// revision of that state.
	Free     int    `json:"free"`
	Revision uint64 `json:"revision"`
}

// StopExecutionRequest identifies the execution to stop.
type StopExecutionRequest struct {
	ID hodei.ExecutionID `json:"id"`
	// Reason is CANCELLED if left out; REJECTED for an execution that must not
	// queue.
	Reason hodei.Reason `json:"reason,omitempty"`
}

// FinishRequest is the ends of executions that one worker reports.
type FinishRequest struct {
	WorkerID hodei.WorkerID `json:"worker_id"`
	Ends     []End          `json:"ends" jsonschema:"minItems=1,maxItems=128"`
	// Free is the number of the worker's free slots after these ends, Revision
	// the revision of that state.
	Free     int    `json:"free"`
	Revision uint64 `json:"revision"`
}

// End is the end of an execution. The worker sends it when the record has every
// line of the log, or after a bounded effort.
type End struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	Outcome     hodei.Outcome     `json:"outcome"`
	// Final commits the end even if lines of the log are missing, because the
	// worker cannot send them. The log is then recorded as damaged.
	Final bool `json:"final,omitempty"`
}

// Sender is the worker on which the executions ran.
func (r FinishRequest) Sender() hodei.WorkerID { return r.WorkerID }

// Finished is the reply to a reported end: it is committed, or lines of the log
// are missing and must be sent again.
type Finished struct {
	ExecutionID hodei.ExecutionID     `json:"execution_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	// Missing are the lines that the record lacks. The end is committed only if
	// it is empty.
	Missing []Span `json:"missing"`
}

// LeaveRequest reports that an incarnation of a worker has left.
type LeaveRequest struct {
	WorkerID    hodei.WorkerID `json:"worker_id"`
	Incarnation string         `json:"incarnation"`
	// Killed is true if it did not leave by itself: its executions were killed.
	Killed bool `json:"killed,omitempty"`
}

// Sender is the worker that leaves, or whose reaper reports it.
func (r LeaveRequest) Sender() hodei.WorkerID { return r.WorkerID }

// GetLogsRequest requests a page of the recorded log. The tail is applied
// first, then the other filters.
type GetLogsRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
	LogOptions
	// Cursor continues after the page that contained it.
	Cursor string `json:"cursor,omitempty" in:"query" jsonschema:"pattern=^[0-9]+$,maxLength=18"`
	// Limit is the number of lines; 1000 if left out.
	Limit int `json:"limit,omitempty" in:"query" jsonschema:"minimum=1,maximum=10000"`
}

// ReadLogsRequest requests the chunks with lines after a sequence.
type ReadLogsRequest struct {
	ID    hodei.ExecutionID `json:"id"`
	After int64             `json:"after" jsonschema:"minimum=0"`
	// Limit is the number of lines; with 0, the reply has only the progress of
	// the execution. The reply has whole chunks, about 1 MiB of lines at most.
	Limit int `json:"limit,omitempty" jsonschema:"minimum=0,maximum=10000"`
}

// RecordedLog contains chunks of a log in order, and the progress of the
// execution. There may be gaps between them, and lines after the last one of an
// ended execution.
type RecordedLog struct {
	Chunks []LogChunk `json:"chunks"`
	LogEnd
	// WorkerID is the worker of the execution, the only one whose chunks on NATS belong to the
	// log; null before it has one.
	WorkerID *hodei.WorkerID `json:"worker_id,omitempty"`
}

// LogChunk contains the lines from First to Last.
type LogChunk struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Lines is NDJSON of hodei.LogLine, or a zstd frame of it when there is a size.
	Lines []byte `json:"lines"`
	// Size is the number of bytes that the frame decompresses to.
	Size int `json:"size,omitempty"`
}

// FollowLogsRequest requests the log as a stream.
type FollowLogsRequest struct {
	ID hodei.ExecutionRef `json:"id" in:"path"`
	LogOptions
	// Follow keeps the stream open until the execution ends; otherwise it ends
	// after the existing lines.
	Follow bool `json:"follow,omitempty" in:"query"`
}

// LogOptions select lines.
type LogOptions struct {
	// Tail is the number of last lines, or "all", the default.
	Tail *Tail `json:"tail,omitempty" in:"query"`
	// Timestamps set to false leaves out the times.
	Timestamps *bool `json:"timestamps,omitempty" in:"query"`
	// Stream is "stdout", "stderr" or "all", the default.
	Stream string `json:"stream,omitempty" in:"query" jsonschema:"enum=stdout,enum=stderr,enum=all"`
	// Since excludes earlier lines: an RFC 3339 time, or a duration before now,
	// such as "10m" or "7d".
	Since string `json:"since,omitempty" in:"query" jsonschema:"maxLength=64"`
	// Until excludes later lines: a time or a duration as in since.
	Until string `json:"until,omitempty" in:"query" jsonschema:"maxLength=64"`
}

// Filter resolves the options with the current time. It fails if since or until
// is neither a time nor a duration.
func (o LogOptions) Filter(now time.Time) (hodei.LogFilter, error) {
	var f hodei.LogFilter
	var err error
	if o.Stream != "all" {
		f.Stream = hodei.Stream(o.Stream)
	}
	if f.Since, err = when("since", o.Since, now); err != nil {
		return f, err
	}
	f.Until, err = when("until", o.Until, now)
	return f, err
}

func when(field, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	d, err := hodei.ParseDuration(text)
	if err != nil {
		return time.Time{}, hodei.InvalidField(field, "RFC 3339 time or a duration like 10m or 7d required")
	}
	return now.Add(-d), nil
}

// WithTimestamps reports whether lines keep their time.
func (o LogOptions) WithTimestamps() bool { return o.Timestamps == nil || *o.Timestamps }

// All reports whether there is no tail.
func (o LogOptions) All() bool { return o.Tail == nil || *o.Tail == TailAll }

// From is the sequence of the first line wanted of a log of count lines.
func (o LogOptions) From(count int64) int64 {
	if o.All() {
		return 1
	}
	return max(1, count-int64(*o.Tail)+1)
}

// Tail is a number of lines, or all of them.
type Tail int64

// TailAll is every line; its text is "all".
const TailAll Tail = -1

// MarshalJSON writes the number, or "all".
func (t Tail) MarshalJSON() ([]byte, error) {
	if t == TailAll {
		return []byte(`"all"`), nil
	}
	return hodei.JSON(int64(t))
}

// UnmarshalJSON reads a number or "all".
func (t *Tail) UnmarshalJSON(data []byte) error {
	if string(data) == `"all"` {
		*t = TailAll
		return nil
	}
	return json.Unmarshal(data, (*int64)(t))
}

// LogPage is a page of the recorded log, oldest line first.
type LogPage struct {
	Items []json.RawMessage `json:"items"`
	// NextCursor continues the log; null when there is nothing more now.
	NextCursor *string `json:"next_cursor"`
	// LogCount is the number of lines recorded so far.
	LogCount int64 `json:"log_count"`
	// Status and ExitCode are the execution's.
	Status   hodei.ExecutionStatus `json:"status"`
	ExitCode *int                  `json:"exit_code"`
}

// LogEnd is the data of the `done` event that ends a stream of lines.
type LogEnd struct {
	ExecutionID hodei.ExecutionID     `json:"execution_id"`
	Status      hodei.ExecutionStatus `json:"status"`
	ExitCode    *int                  `json:"exit_code"`
	LogCount    int64                 `json:"log_count"`
}

// WithoutTimestamp is the JSON of a line without its time, as timestamps=false
// asks for.
func WithoutTimestamp(l hodei.LogLine) []byte {
	body, _ := hodei.JSON(struct { // strings, a number and a bool always encode
		Stream   hodei.Stream `json:"stream"`
		Line     string       `json:"line"`
		Sequence int64        `json:"sequence"`
		Partial  bool         `json:"partial,omitempty"`
	}{l.Stream, l.Line, l.Sequence, l.Partial})
	return body
}
