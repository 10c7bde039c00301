package schemas

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// example is a request of an operation and its answer: reply with Op.Status,
// other with Op.Other.
type example struct {
	request, reply, other any
}

// show makes the compiler verify that an example has the operation's types.
func show[Req, Rep any](to map[*Op]example, op Operation[Req, Rep], req Req, rep Rep, other ...Rep) {
	shown := example{request: req, reply: rep}
	if len(other) > 0 {
		shown.other = other[0]
	}
	to[op.Op] = shown
}

// The records of the examples, those of the flows in docs.
var (
	noon       = time.Date(2024, 1, 15, 10, 30, 45, 0, time.UTC)
	pipelineID = mustID[hodei.PipelineID]("pipe_550e8400-e29b-41d4-a716-446655440000")
	jobID      = mustID[hodei.JobID]("job_123e4567-e89b-12d3-a456-426614174000")
	execID     = mustID[hodei.ExecutionID]("exec_987fcdeb-51a2-43d1-9c4f-123456789abc")
	retryID    = mustID[hodei.ExecutionID]("exec_018d0c9e-7a30-7cc2-8b8e-2f1f5f3f9a01")
	runID      = mustID[hodei.RunID]("run_018d0c9e-9b10-7f0a-a1c3-5d2e7f9b4c60")
	workerID   = mustID[hodei.WorkerID]("worker_018d0c9a-33b0-7d51-9c0f-6a2d4e8b1c77")
	tokenID    = mustID[hodei.TokenID]("token_018d0c9e-7a30-7cc2-8b8e-2f1f5f3f9a55")
	cargo      = hodei.Command{Shell: "cargo build"}
	rust       = map[string]string{"RUST_VERSION": "1.75.0", "CARGO_HOME": "/tmp/cargo"}
)

func mustID[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](text string) (id T) {
	if err := P(&id).UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return id
}

// at returns a time on the day of the examples.
func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2024-01-15T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func pipeline() hodei.Pipeline {
	return hodei.Pipeline{
		ID: pipelineID, Name: "My CI/CD Pipeline", Description: ptr("Build and test application"),
		Status: hodei.PipelineCreated, CreatedAt: noon, UpdatedAt: noon,
	}
}

func active() hodei.Pipeline {
	p := pipeline()
	p.Status, p.UpdatedAt, p.JobCount = hodei.PipelineActive, at("10:35:22"), 3
	p.LastExecution = &hodei.ExecutionSummary{
		ID: execID, Status: hodei.Completed, StartedAt: ptr(at("10:34:18")), CompletedAt: ptr(at("10:35:15")),
	}
	p.LastRun = &hodei.RunSummary{ID: runID, Number: 42, Status: hodei.RunRunning, StartedAt: ptr(at("10:31:59"))}
	return p
}

func spec() hodei.Spec {
	return hodei.Spec{
		Command: cargo, Environment: rust, Priority: 5,
		Requirements:   hodei.Requirements{Type: ptr("rust"), Capacity: 1, Labels: map[string]string{"zone": "a"}},
		TimeoutSeconds: ptr(600.0), Retries: &hodei.Retries{Max: 2, BackoffSeconds: 5},
	}
}

func job() hodei.Job {
	return hodei.Job{
		ID: jobID, PipelineID: pipelineID, Name: ptr("Build Job"), Description: ptr("Compile application"), Type: ptr("rust"),
		Spec: spec(), Status: hodei.Pending, CreatedAt: at("10:31:00"), UpdatedAt: at("10:31:00"),
	}
}

func running() hodei.Execution {
	return hodei.Execution{
		ID: execID, JobID: &jobID, PipelineID: &pipelineID, Status: hodei.Running, WorkerID: &workerID, WorkerType: ptr("rust"),
		Spec: spec(), Attempt: 1, CreatedAt: at("10:31:59"), ScheduledAt: ptr(at("10:31:59")), StartedAt: ptr(at("10:32:00")),
		QueuedSeconds: ptr(0.3), LogsAvailable: true, LogCount: 47,
	}
}

func cancelling() hodei.Execution {
	e := running()
	e.CancelRequestedAt = ptr(at("10:33:00"))
	return e
}

func again() hodei.Execution {
	return hodei.Execution{
		ID: retryID, JobID: &jobID, PipelineID: &pipelineID, Status: hodei.Pending, Spec: spec(), Attempt: 2, RetryOf: &execID,
		CreatedAt: at("10:36:00"), LogsAvailable: true,
	}
}

func aRun() hodei.Run {
	done, deploy := hodei.ReasonExitCode, hodei.RunJob{
		Key: "deploy", Job: "deploy", Needs: []string{"build", "lint"}, Status: hodei.JobBlocked, JobID: &jobID,
		Approval: &hodei.Approval{Message: "Deploy to prod?", ExpiresAt: ptr(at("12:00:00"))},
	}
	return hodei.Run{
		ID: runID, PipelineID: pipelineID, Pipeline: ptr("release"), Number: 42, Status: hodei.RunRunning,
		Trigger: hodei.RunTrigger{Kind: hodei.TriggerAPI}, Params: map[string]string{"env": "prod"}, Ref: ptr("refs/heads/main"),
		Definition: hodei.DefinitionApplied,
		CreatedAt:  at("10:31:59"), StartedAt: ptr(at("10:31:59")),
		Jobs: []hodei.RunJob{{
			Key: "build", Job: "build", Needs: []string{}, Status: hodei.JobCompleted, JobID: &jobID, ExecutionID: &execID, Attempt: 1,
			Outputs: map[string]string{"version": "1.4.0"}, StartedAt: ptr(at("10:32:00")), CompletedAt: ptr(at("10:33:00")),
		}, {
			Key: "lint", Job: "lint", Needs: []string{}, Status: hodei.JobFailed, Reason: &done, JobID: &jobID, ExecutionID: &retryID, Attempt: 1,
			Warning: true, StartedAt: ptr(at("10:32:00")), CompletedAt: ptr(at("10:32:30")),
		}, deploy},
	}
}

func started() StartedExecution {
	return StartedExecution{
		ExecutionID: execID, JobID: jobID, Status: hodei.Running, WorkerID: &workerID, WorkerType: ptr("rust"), Command: cargo,
		Environment: rust, StartedAt: ptr(at("10:32:00")), EstimatedCompletion: ptr(at("10:35:00")),
	}
}

func queued() StartedExecution {
	return StartedExecution{
		ExecutionID: execID, JobID: jobID, Status: hodei.Pending, Command: cargo, Environment: rust,
		QueuePosition: ptr(1), Reason: ptr("no worker of type rust: 2 busy, 1 draining"),
	}
}

func decided() Decision {
	return Decision{
		ExecutionID: &execID, Status: hodei.Running, WorkerID: &workerID, WorkerType: ptr("rust"), StartedAt: ptr(at("10:32:00")),
		Candidates: []Candidate{{
			WorkerID: workerID, Type: "rust", Score: ptr(0.91),
			Criteria: map[string]float64{"load": 0.95, "latency": 0.85, "success": 0.9},
		}},
	}
}

func undecided() Decision {
	return Decision{
		ExecutionID: &execID, Status: hodei.Pending, QueuePosition: ptr(1), Reason: ptr("no worker of type rust: 1 draining"),
		Candidates: []Candidate{{WorkerID: workerID, Type: "rust", Criteria: map[string]float64{}, Excluded: ptr("draining")}},
	}
}

func worker(status hodei.WorkerStatus) hodei.Worker {
	return hodei.Worker{
		ID: workerID, Name: ptr("builder-1"), Type: "rust", Labels: map[string]string{"zone": "a"}, Status: status,
		Capacity: 5, TotalCapacity: 5, RegisteredAt: noon, Version: ptr("1.0.0"),
	}
}

var logLines = []hodei.LogLine{
	{Timestamp: at("10:32:01"), Stream: hodei.Stdout, Line: "Compiling hodei-worker v0.1.0", Sequence: 1},
	{Timestamp: at("10:32:02"), Stream: hodei.Stderr, Line: "warning: unused variable: `x`", Sequence: 2},
}

var logEnd = LogEnd{ExecutionID: execID, Status: hodei.Completed, ExitCode: ptr(0), LogCount: 2}

// frames returns a stream of those lines.
func frames() string {
	var b strings.Builder
	for _, line := range logLines {
		fmt.Fprintf(&b, "id: %d\ndata: %s\n\n", line.Sequence, text(line))
	}
	fmt.Fprintf(&b, "event: done\ndata: %s\n\n", text(logEnd))
	return b.String()
}

func text(v any) json.RawMessage {
	body, err := hodei.JSON(v)
	if err != nil {
		panic(err)
	}
	return body
}

func page[T any](items ...T) List[T] {
	return List[T]{Items: items, NextCursor: ptr("MDE4ZDBjOWU3YTMwN2NjMg")}
}

// examples has an example for every operation with a route.
func examples() map[*Op]example {
	all := map[*Op]example{}
	examplesOfPipelines(all)
	examplesOfSchedules(all)
	examplesOfNotifications(all)
	examplesOfHooks(all)
	examplesOfJobs(all)
	examplesOfAccess(all)
	examplesOfExecutions(all)
	examplesOfRuns(all)
	examplesOfDefinitions(all)
	examplesOfWorkers(all)
	examplesOfSecrets(all)
	return all
}
