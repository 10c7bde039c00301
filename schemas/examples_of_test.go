package schemas

import (
	"encoding/json"

	"github.com/hodei-jobs/hodei"
)

func examplesOfPipelines(all map[*Op]example) {
	renamed := pipeline()
	renamed.Name, renamed.UpdatedAt = "Nightly", at("10:40:00")
	examplesOfArtifacts(all)
	show(all, CreatePipeline, CreatePipelineRequest{Name: "My CI/CD Pipeline", Description: ptr("Build and test application")}, pipeline())
	show(all, GetPipeline, GetPipelineRequest{ID: hodei.RefTo(pipelineID)}, active())
	shown := active()
	shown.Recent = []hodei.ExecutionSummary{*shown.LastExecution}
	show(all, ListPipelines, ListPipelinesRequest{WithRecent: WithRecent{Recent: 1}, Page: Page{Limit: 1}}, page(shown))
	show(all, UpdatePipeline, UpdatePipelineRequest{ID: hodei.RefTo(pipelineID), Name: to("Nightly")}, renamed)
	show(all, DeletePipeline, DeletePipelineRequest{ID: hodei.RefTo(pipelineID)}, Empty{})
}

// secretText has the form of a token and a wrong checksum.
const secretText = "hodei_t_0000000000000000000000000000000000000000000000000"

func exampleToken() hodei.Token {
	expires := noon.AddDate(0, 3, 0)
	return hodei.Token{ID: tokenID, Name: "ci", Role: hodei.Developer, CreatedBy: ptr("ana"), CreatedAt: noon, ExpiresAt: &expires}
}

func identity() Identity {
	return Identity{Kind: hodei.CallerToken, ID: &tokenID, Name: "ci", Role: hodei.Developer}
}

func examplesOfAccess(all map[*Op]example) {
	used := exampleToken()
	used.LastUsedAt = ptr(at("10:40:00"))
	show(all, CreateToken, CreateTokenRequest{Name: "ci", Role: hodei.Developer, ExpiresInSeconds: ptr(7776000.0)}, CreatedToken{Token: exampleToken(), Text: secretText})
	show(all, ListTokens, ListTokensRequest{Page: Page{Limit: 1}}, page(used))
	show(all, DeleteToken, DeleteTokenRequest{ID: tokenID}, Empty{})
	joined := hodei.WorkerKey{
		WorkerID: workerID, PublicKey: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", Name: "hodei worker " + workerID.String(),
		Address: "10.0.0.9", TokenID: tokenID, JoinedAt: noon,
	}
	show(all, ListWorkerKeys, ListWorkerKeysRequest{Page: Page{Limit: 1}}, page(joined))
	joined.ApprovedAt, joined.ApprovedBy = ptr(at("10:40:00")), ptr("ana")
	show(all, ApproveWorker, ApproveWorkerRequest{ID: workerID}, joined)
	joined.RevokedAt = ptr(at("10:45:00"))
	show(all, RevokeWorker, RevokeWorkerRequest{ID: workerID}, joined)
	show(all, WhoAmI, Empty{}, identity())
	show(all, ListAudit, ListAuditRequest{Operation: Any("jobs.execute"), Page: Page{Limit: 1}}, page(hodei.AuditRecord{
		ID: mustID[hodei.AuditID]("audit_018d0c9e-7a30-7cc2-8b8e-2f1f5f3f9a77"), At: noon, Kind: hodei.CallerToken, TokenID: &tokenID, Name: "ci",
		Role: ptr(hodei.Developer), Address: "10.0.0.7", Operation: "jobs.execute", Resource: ptr("execution"), ResourceID: ptr(execID.String()),
		Outcome: hodei.AuditOK, RequestID: "req_abc123",
	}))
}

func examplesOfJobs(all map[*Op]example) {
	create := CreateJobRequest{PipelineID: hodei.RefTo(pipelineID), Name: ptr("Build Job"), Description: ptr("Compile application")}
	create.Type, create.Command, create.Environment, create.TimeoutSeconds = ptr("rust"), &cargo, rust, ptr(600.0)
	create.Requirements = &hodei.Requirements{Capacity: 1, Labels: map[string]string{"zone": "a"}}
	create.Priority, create.Retries = ptr(5), &hodei.Retries{Max: 2, BackoffSeconds: 5}
	urgent := job()
	urgent.Priority, urgent.UpdatedAt = 9, at("10:40:00")

	listed := job()
	listed.Environment = nil

	show(all, CreateJob, create, job())
	show(all, GetJob, GetJobRequest{ID: jobID}, job())
	show(all, ListJobs, ListJobsRequest{PipelineID: Any(hodei.RefTo(pipelineID)), Status: OneOf[hodei.ExecutionStatus]{hodei.Pending}, Page: Page{Limit: 1}}, page(listed))
	show(all, UpdateJob, UpdateJobRequest{ID: jobID, Priority: to(9), Command: to(hodei.Command{Args: []string{"cargo", "build"}})}, urgent)
	show(all, DeleteJob, DeleteJobRequest{ID: jobID}, Empty{})
	show(all, ExecuteJob, ExecuteJobRequest{
		ID: jobID, Environment: map[string]string{"RUST_VERSION": "1.75.0"},
		Waiting: Waiting{WaitSeconds: ptr(2.0), IfNoWorker: Queue},
	}, started(), queued())
}

func examplesOfExecutions(all map[*Op]example) {
	listed := running()
	listed.Environment = nil
	hello := hodei.Command{Shell: "echo 'Hello World'"}
	show(all, GetExecution, GetExecutionRequest{ID: hodei.RefTo(execID)}, running())
	show(all, ListExecutions, ListExecutionsRequest{
		JobID: Any(jobID), PipelineID: Any(hodei.RefTo(pipelineID)), WorkerID: Any(workerID), Status: OneOf[hodei.ExecutionStatus]{hodei.Running}, Page: Page{Limit: 1},
	}, page(listed))
	show(all, CancelExecution, CancelExecutionRequest{ID: hodei.RefTo(execID)}, cancelling())
	show(all, DeleteExecution, DeleteExecutionRequest{ID: hodei.RefTo(execID)}, Empty{})
	show(all, RetryExecution, RetryExecutionRequest{ID: hodei.RefTo(execID)}, again())
	show(all, Execute, ExecuteRequest{RunRequest: RunRequest{Command: &hello, Environment: map[string]string{"LANG": "C"}}}, AdHocExecution{
		ID: retryID, Command: hello, Status: hodei.Pending, CreatedAt: at("10:40:00"), Stream: hodei.Stdout, LogsAvailable: true,
	})
	show(all, Schedule, ScheduleRequest{ExecutionID: new(hodei.RefTo(execID)), JobConfig: &JobConfig{Type: ptr("rust")}}, decided(), undecided())
	show(all, GetQueue, GetQueueRequest{Limit: 10}, QueueList{Total: 1, Items: []QueueEntry{{
		Position: 1, ExecutionID: execID, JobID: &jobID, Priority: 5, AgeSeconds: 12.5, Reason: *queued().Reason,
		Requirements: spec().Requirements, CreatedAt: at("10:31:59"),
	}}})
	options := LogOptions{Tail: ptr(Tail(10)), Timestamps: ptr(true), Stream: "all", Since: "10m", Until: "2024-01-15T10:40:00Z"}
	show(all, GetLogs, GetLogsRequest{ID: hodei.RefTo(execID), LogOptions: options, Limit: 100}, LogPage{
		Items: []json.RawMessage{text(logLines[0]), text(logLines[1])}, NextCursor: ptr("2"), LogCount: 47, Status: hodei.Running,
	})
	show(all, FollowLogs, FollowLogsRequest{ID: hodei.RefTo(execID), LogOptions: options, Follow: true}, logLines[0])
	show(all, FollowEvents, FollowEventsRequest{PipelineID: ptr(hodei.RefTo(pipelineID)), Follow: true}, Event{
		Type: EventStarted, Time: at("10:32:00"), RequestID: "req_abc123", Execution: listed,
	})
	ended := hodei.Outcomes{Completed: 41, Failed: 2}
	show(all, GetStats, GetStatsRequest{WindowSeconds: 3600, BucketSeconds: 3600}, hodei.Stats{
		TakenAt: noon, WindowSeconds: 3600, BucketSeconds: 3600, Pending: 3, Running: 5, Outcomes: ended,
		QueuedSeconds:   &hodei.Quantiles{P50: 0.012, P95: 0.31, Max: 4.2},
		DurationSeconds: &hodei.Quantiles{P50: 31.5, P95: 112, Max: 240.1},
		Buckets:         []hodei.Period{{BeginsAt: at("10:00:00"), Outcomes: ended}},
	})
}

func examplesOfRuns(all map[*Op]example) {
	listed, cancelled, repeated, answered := aRun(), aRun(), aRun(), aRun()
	listed.Jobs = nil
	cancelled.CancelRequestedAt = ptr(at("10:34:00"))
	repeated.ID, repeated.Number, repeated.RerunOf = mustID[hodei.RunID]("run_018d0c9f-0000-7f0a-a1c3-5d2e7f9b4c61"), 43, &runID
	answered.Jobs[2].Approval.Approved, answered.Jobs[2].Approval.DecidedAt = ptr(true), ptr(at("10:40:00"))
	show(all, ExecutePipeline, ExecutePipelineRequest{
		ID: hodei.RefTo(pipelineID), Params: map[string]hodei.Scalar{"env": "prod"}, Environment: map[string]string{"LANG": "C"}, Trigger: hodei.TriggerManual,
	}, aRun())
	show(all, GetRun, GetRunRequest{ID: hodei.RefTo(runID)}, aRun())
	show(all, ListRuns, ListRunsRequest{PipelineID: Any(hodei.RefTo(pipelineID)), Status: OneOf[hodei.RunStatus]{hodei.RunRunning}, Page: Page{Limit: 1}}, page(listed))
	show(all, FollowRun, FollowRunRequest{
		ID: hodei.RefTo(runID), LogOptions: LogOptions{Tail: ptr(Tail(10)), Timestamps: ptr(true), Stream: "all", Since: "10m", Until: "2024-01-15T10:40:00Z"}, Follow: true,
	}, RunLine{Job: "build", LogLine: logLines[0]})
	show(all, CancelRun, CancelRunRequest{ID: hodei.RefTo(runID)}, cancelled)
	show(all, RerunRun, RerunRunRequest{ID: hodei.RefTo(runID), Jobs: Selection{"failed"}}, repeated)
	show(all, ApproveRun, ApproveRunRequest{RunAnswer{ID: hodei.RefTo(runID), Key: "deploy", Comment: ptr("looks good")}}, answered)
	show(all, RejectRun, RejectRunRequest{RunAnswer{ID: hodei.RefTo(runID), Key: "deploy"}}, aRun())
}

func examplesOfDefinitions(all map[*Op]example) {
	file := "slug: release\njobs:\n  build:\n    command: cargo build\n"
	created := pipeline()
	created.Slug = ptr("release")
	changes := []hodei.Change{{Field: "jobs.build.command", Action: hodei.ChangeChanged, From: text("cargo check"), To: text("cargo build")}}
	show(all, ApplyPipeline, ApplyPipelineRequest{Slug: "release", DryRun: true, Document: file},
		AppliedPipeline{Pipeline: &created, Changes: changes, Warnings: []hodei.Problem{}},
		AppliedPipeline{Pipeline: &created, Warnings: []hodei.Problem{}, New: true, Changes: []hodei.Change{
			{Field: "jobs.build", Action: hodei.ChangeCreated, To: json.RawMessage(`{"command":"cargo build"}`)},
		}})
	show(all, GetDefinition, GetDefinitionRequest{ID: "release"}, PipelineDocument(`{"slug":"release","jobs":{"build":{"command":"cargo build"}}}`))
}

func examplesOfWorkers(all map[*Op]example) {
	show(all, RegisterWorker, RegisterWorkerRequest{
		Type: "rust", Capacity: 5, Name: ptr("builder-1"), Labels: map[string]string{"zone": "a"},
	}, worker(hodei.WorkerAvailable))
	busy := worker(hodei.WorkerBusy)
	busy.Capacity, busy.Running, busy.LastSeenAt = 4, 1, ptr(at("10:32:05"))
	busy.AckLatencySeconds, busy.SuccessRate = ptr(0.002), ptr(0.97)
	show(all, GetWorker, GetWorkerRequest{ID: workerID}, busy)
	show(all, ListWorkers, ListWorkersRequest{Status: OneOf[hodei.WorkerStatus]{hodei.WorkerBusy}, Type: OneOf[string]{"rust"}, Page: Page{Limit: 1}}, page(busy))
	cordoned := busy
	cordoned.Cordoned = true
	show(all, CordonWorker, CordonWorkerRequest{ID: workerID}, cordoned)
	show(all, UncordonWorker, UncordonWorkerRequest{ID: workerID}, busy)
	show(all, DrainWorker, DrainWorkerRequest{ID: workerID, DeadlineSeconds: ptr(300.0)}, worker(hodei.WorkerDraining))
	show(all, ResumeWorker, ResumeWorkerRequest{ID: workerID}, worker(hodei.WorkerAvailable))
	show(all, TerminateWorker, TerminateWorkerRequest{ID: workerID}, worker(hodei.WorkerTerminating))
	show(all, DeleteWorker, DeleteWorkerRequest{ID: workerID}, Empty{})
	show(all, AssignExecution, AssignRequest{
		ExecutionID: hodei.RefTo(execID), WorkerRequirements: &hodei.Requirements{Type: ptr("rust")}, WorkerID: &workerID,
	}, Assignment{
		WorkerID: workerID, Status: Assigned, ExecutionID: execID, WorkerType: "rust", StartedAt: at("10:32:00"), Free: 4, Revision: 12,
	})
}

func examplesOfSecrets(all map[*Op]example) {
	set := hodei.Secret{Name: "DEPLOY_KEY", Version: 2, CreatedAt: at("10:30:00"), UpdatedAt: at("10:40:00"), UsedAt: ptr(at("10:32:00"))}
	ref := hodei.RefTo(pipelineID)
	of := set
	of.PipelineID = &pipelineID
	show(all, SetSecret, SetSecretRequest{Name: "DEPLOY_KEY", Value: "correct horse battery staple", PipelineID: &ref}, of)
	show(all, ListSecrets, ListSecretsRequest{PipelineID: &ref}, List[hodei.Secret]{Items: []hodei.Secret{set, of}})
	show(all, DeleteSecret, DeleteSecretRequest{Name: "DEPLOY_KEY", PipelineID: &ref}, Empty{})
	show(all, RotateSecrets, Empty{}, RotatedSecrets{Rotated: 12, Unreadable: []string{}})
}

// to sets a field of a PATCH.
func to[T any](value T) Patch[T] { return Patch[T]{Set: true, Value: &value} }

var ready200 = Readiness{Status: "ok", Checks: map[string]string{"nats": "ok", "orchestrator": "ok", "orchestrator.postgres": "ok"}}

var ready503 = Readiness{Status: "unavailable", Checks: map[string]string{"nats": "RECONNECTING"}}

// failures gives the reason and an example for each code.
var failures = map[hodei.Code]struct {
	when    string
	example hodei.Error
}{
	hodei.Invalid: {"the request is malformed, or a field of it, which is named, is not as it must be",
		*hodei.InvalidField("pipeline_id", "UUID format required")},
	hodei.Unauthenticated: {"with --auth, the request has no valid token",
		*hodei.Errorf(hodei.Unauthenticated, "A token is required: send Authorization: Bearer hodei_…")},
	hodei.Forbidden: {"the role of the token does not include the operation, or the request is of a web page of another origin",
		*hodei.Errorf(hodei.Forbidden, "pipelines.create needs the role operator; yours is viewer")},
	hodei.Misdirected: {"the Host header is not a name of this server",
		*hodei.Errorf(hodei.Misdirected, "evil.example is not a name of this server: --allowed-host evil.example would make it one")},
	hodei.NotFound:         {"there is no such record, or no such path", *hodei.Missing("pipeline", "pipe_invalid")},
	hodei.MethodNotAllowed: {"the path answers to other methods", *hodei.Errorf(hodei.MethodNotAllowed, "Method PUT not allowed, use GET, POST")},
	hodei.Conflict: {"the record's state does not allow it, or the Idempotency-Key was used for another request",
		*hodei.Errorf(hodei.Conflict, "Execution is COMPLETED")},
	hodei.TooLarge:         {"the body is larger than 1 MiB", *hodei.Errorf(hodei.TooLarge, "Request body exceeds 1048576 bytes")},
	hodei.UnsupportedMedia: {"the body is not JSON", *hodei.Errorf(hodei.UnsupportedMedia, "Request body must be JSON: send Content-Type: application/json")},
	hodei.Rejected:         {"no worker took it and it was not to wait, or the queue is full", *hodei.Errorf(hodei.Rejected, "no worker of type rust: 2 busy")},
	hodei.Internal:         {"a defect of Hodei; its logs have the details under the request id", *hodei.Errorf(hodei.Internal, "Internal error")},
	hodei.RateLimited:      {"too many requests from this address or with this token; try again", *hodei.Errorf(hodei.RateLimited, "Too many requests with this token: more than 1000 a second (--rate-per-token)")},
	hodei.Unavailable:      {"a service, NATS or Postgres is away; try again", *hodei.Errorf(hodei.Unavailable, "No orchestrator is running")},
	hodei.Timeout:          {"no answer in time; what was asked may have been done", *hodei.Errorf(hodei.Timeout, "No answer from orchestrator in time")},
}
