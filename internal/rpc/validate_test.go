package rpc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// discard answers any operation with an empty reply and fails the test if an
// invalid request reaches it.
func discard[Req, Rep any](t *testing.T) func(context.Context, Req) (Rep, error) {
	return func(_ context.Context, req Req) (rep Rep, err error) {
		if !strings.HasPrefix(t.Name(), "TestAccepts") {
			t.Errorf("reached with %+v", req)
		}
		return rep, nil
	}
}

func serveAll(t *testing.T) func(op *schemas.Op, body string) error {
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, discard[schemas.CreatePipelineRequest, hodei.Pipeline](t))
		rpc.Handle(s, schemas.GetPipeline, discard[schemas.GetPipelineRequest, hodei.Pipeline](t))
		rpc.Handle(s, schemas.CreateJob, discard[schemas.CreateJobRequest, hodei.Job](t))
		rpc.Handle(s, schemas.ExecuteJob, discard[schemas.ExecuteJobRequest, schemas.StartedExecution](t))
		rpc.Handle(s, schemas.ListExecutions, discard[schemas.ListExecutionsRequest, schemas.List[hodei.Execution]](t))
		rpc.Handle(s, schemas.OrchestratorHealth, discard[schemas.Empty, schemas.Health](t))
	})
	return func(op *schemas.Op, body string) error {
		_, err := rpc.Forward(t.Context(), nc, op, op.Subject, []byte(body))
		return err
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	ask := serveAll(t)
	id := uuid.NewString()
	job := func(field string) string { return `{"pipeline_id":"` + id + `",` + field + `}` }
	pipeline, createJob, executions := schemas.CreatePipeline.Op, schemas.CreateJob.Op, schemas.ListExecutions.Op
	for _, c := range []struct {
		op                 *schemas.Op
		body, field, issue string
	}{
		{pipeline, `{"name":`, "body", "unexpected end of JSON input (at byte 8)"},
		{pipeline, `{"name":"a"} {}`, "body", "invalid character '{' after top-level value (at byte 14)"},
		{pipeline, `not json`, "body", "invalid character 'o' in literal null (expecting 'u') (at byte 2)"},
		{pipeline, `null`, "body", "object required, got null"},
		{pipeline, `["a"]`, "body", "object required, got array"},
		{pipeline, ``, "name", "required"},
		{pipeline, `{}`, "name", "required"},
		{pipeline, `{"name":"a","nmae":"b"}`, "nmae", "unknown field"},
		{pipeline, `{"name":"a","Name":"b"}`, "Name", "unknown field"},
		{pipeline, `{"name":5}`, "name", "string required, got number"},
		{pipeline, `{"name":null}`, "name", "string required, got null"},
		{pipeline, `{"name":" \t "}`, "name", "must not be blank"},
		{pipeline, `{"name":"` + strings.Repeat("é", 201) + `"}`, "name", "at most 200 characters allowed, got 201"},
		{pipeline, `{"name":"a\u0000b"}`, "name", "must not contain the NUL character"},
		{pipeline, `{"name":1e999999999}`, "name", "number out of range"},
		{createJob, `{"pipeline_id":"No id"}`, "pipeline_id", "UUID format required"},
		{createJob, `{"pipeline_id":"job_` + id + `"}`, "pipeline_id", "UUID format required"},
		{createJob, job(`"command":5`), "command", "string or array required"},
		{createJob, job(`"command":{}`), "command", "string or array required"},
		{createJob, job(`"command":["a",5]`), "command.1", "string required, got number"},
		{createJob, job(`"command":[]`), "command", "must not be empty"},
		{createJob, job(`"command":""`), "command", "must not be empty"},
		{createJob, job(`"environment":{"1A":"x"}`), "environment.1A", "invalid name"},
		{createJob, job(`"environment":{"A":1}`), "environment.A", "string required, got number"},
		{createJob, job(`"environment":{"A":"\u0000"}`), "environment.A", "must not contain the NUL character"},
		{createJob, job(`"command":["\u0000"]`), "command.0", "must not contain the NUL character"},
		{createJob, job(`"priority":11`), "priority", "at most 10 allowed"},
		{createJob, job(`"priority":1.5`), "priority", "integer required, got number"},
		{createJob, job(`"priority":1e-999999999`), "priority", "number out of range"},
		{createJob, job(`"priority":0.` + strings.Repeat("0", 100) + `1`), "priority", "number out of range"},
		{createJob, job(`"priority":5.0`), "priority", "integer required"},
		{createJob, job(`"requirements":{"capacity":0}`), "requirements.capacity", "at least 1 required"},
		{createJob, job(`"requirements":{"gpu":1}`), "requirements.gpu", "unknown field"},
		{createJob, job(`"requirements":[]`), "requirements", "object required"},
		{createJob, job(`"retries":{}`), "retries.max", "required"},
		{createJob, job(`"timeout_seconds":0`), "timeout_seconds", "more than 0 required"},
		{executions, `{"status":5}`, "status", "string required, got number"},
		{executions, `{"created_after":"yesterday"}`, "created_after", "time as 2026-01-02T15:04:05Z required"},
		{executions, `{"created_before":"2026-13-01T00:00:00Z"}`, "created_before", "time as 2026-01-02T15:04:05Z required"},
		{executions, `{"job_id":"x"}`, "job_id", "UUID format required"},
		{executions, `{"limit":0}`, "limit", "at least 1 required"},
	} {
		failed := asked(t, ask(c.op, c.body))
		require.Equal(t, hodei.Invalid, failed.Code, c.body)
		require.Equal(t, &hodei.ErrorDetails{Field: c.field, Issue: c.issue}, failed.Details, c.body)
	}
}

// An invalid id in the path is a record that does not exist.
func TestInvalidIDInPathIsNotFound(t *testing.T) {
	t.Parallel()
	ask := serveAll(t)
	for _, id := range []string{"pipe_nonsense", "job_" + uuid.NewString(), strings.Repeat("x", 5000)} {
		failed := asked(t, ask(schemas.GetPipeline.Op, `{"id":"`+id+`"}`))
		require.Equal(t, hodei.NotFound, failed.Code)
		require.Equal(t, "Pipeline not found", failed.Message)
		require.Equal(t, "pipeline", failed.Resource)
		require.True(t, strings.HasPrefix(id, strings.TrimSuffix(failed.ResourceID, "…")))
		require.Nil(t, failed.Details)
	}
	failed := asked(t, ask(schemas.GetPipeline.Op, `{"id":5}`))
	require.Equal(t, &hodei.ErrorDetails{Field: "id", Issue: "string required, got number"}, failed.Details)
	failed = asked(t, ask(schemas.GetPipeline.Op, `{}`))
	require.Equal(t, &hodei.ErrorDetails{Field: "id", Issue: "required"}, failed.Details)
	failed = asked(t, ask(schemas.ExecuteJob.Op, `{"id":"nonsense","wait_seconds":"x"}`))
	require.Equal(t, "job", failed.Resource)
}

// TestNoHeaderOrFieldDisablesValidation: requests between services, and requests
// with any header, are validated like all others.
func TestNoHeaderOrFieldDisablesValidation(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.AssignExecution, discard[schemas.AssignRequest, schemas.Assignment](t))
		rpc.Handle(s, schemas.Schedule, discard[schemas.ScheduleRequest, schemas.Decision](t))
	})
	_, err := rpc.Call(t.Context(), nc, schemas.AssignExecution, schemas.AssignRequest{
		ExecutionID: hodei.RefTo(hodei.ExecutionID{}), WorkerRequirements: &hodei.Requirements{Capacity: -1},
	})
	require.Equal(t, "worker_requirements.capacity", asked(t, err).Details.Field)

	msg := nats.NewMsg(schemas.Schedule.Subject)
	msg.Data = []byte(`{"execution_id":"` + uuid.NewString() + `","brief":true,"job_config":{"priority":99}}`)
	for _, name := range []string{"Hodei-Typed", "Hodei-Event", "Hodei-Worker"} {
		msg.Header[name] = []string{"1"}
	}
	answer, err := nc.RequestMsg(msg, time.Minute)
	require.NoError(t, err)
	require.Contains(t, string(answer.Data), `"field":"job_config.priority"`)
}

// TestRefusesBetweenServices: requests without a route validate themselves.
func TestRefusesBetweenServices(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.PlaceExecution, discard[schemas.PlaceRequest, schemas.Assignment](t))
		rpc.Handle(s, schemas.StartExecution, discard[schemas.StartRequest, schemas.Assignment](t))
		rpc.Handle(s, schemas.FinishExecutions, func(_ context.Context, req schemas.FinishRequest) (r schemas.Results[schemas.Finished], err error) {
			return r, req.Ends[0].Validate() // a result of its own, in the worker manager
		})
		rpc.Handle(s, schemas.ReadLogs, discard[schemas.ReadLogsRequest, schemas.RecordedLog](t))
		rpc.Handle(s, schemas.LeaveWorker, discard[schemas.LeaveRequest, schemas.Empty](t))
	})
	id, first := uuid.Must(uuid.NewV7()).String(), `"execution_id":"`+uuid.Must(uuid.NewV7()).String()+`"`
	spec := func(field string) string {
		return `{` + first + `,"spec":{"command":"true","environment":{},` + field + `}}`
	}
	finish := func(field string) string {
		return `{"worker_id":"` + id + `","ends":[{` + first + `,"outcome":{"status":"FAILED","completed_at":"2026-01-01T00:00:00Z",` + field + `}}]}`
	}
	place, end, read := schemas.PlaceExecution.Op, schemas.FinishExecutions.Op, schemas.ReadLogs.Op
	for _, c := range []struct {
		op          *schemas.Op
		body, field string
	}{
		{place, `{}`, "execution_id"},
		{place, `null`, "execution_id"},
		{place, `{"execution_id":"ffffffff-ffff-7000-8000-000000000000"}`, "execution_id"},
		{place, `{` + first + `,"spec":{"command":"true"}}`, "spec.environment"},
		{place, spec(`"priority":99`), "spec.priority"},
		{place, spec(`"priority":-1`), "spec.priority"},
		{place, spec(`"priority":1e999`), "spec.priority"},
		{place, spec(`"timeout_seconds":1e308`), "spec.timeout_seconds"},
		{place, spec(`"retries":{"max":-1}`), "spec.retries.max"},
		{place, spec(`"retries":{"max":1,"backoff_seconds":1e308}`), "spec.retries.backoff_seconds"},
		{place, spec(`"working_dir":"x"`), "spec.working_dir"},
		{place, spec(`"requirements":{"capacity":2147483648}`), "spec.requirements.capacity"},
		{place, spec(`"requirements":{"labels":{"a":"\u0000"}}`), "spec.requirements.labels.a"},
		{place, `{` + first + `,"spec":{"command":"true","environment":{"":"x"}}}`, "spec.environment."},
		{schemas.StartExecution.Op, spec(`"priority":1`), "worker_id"},
		{end, `{"worker_id":"` + id + `"}`, "ends"},
		{end, `{"worker_id":"` + id + `","ends":[` + strings.Repeat("{},", 128) + `{}]}`, "ends"},
		{end, finish(`"exit_code":2147483648`), "outcome.exit_code"},
		{end, finish(`"log_count":9223372036854775807`), "outcome.log_count"},
		{end, finish(`"log_digest":-1`), "outcome.log_digest"},
		{end, finish(`"started_at":"0000-01-01T00:00:00Z"`), "outcome.started_at"},
		{end, finish(`"completed_at":"9999-12-31T23:59:59-23:00"`), "outcome.completed_at"},
		{end, finish(`"signal":"\u0000"`), "ends.0.outcome.signal"},
		{end, finish(`"status":"PENDING"`), "outcome.status"},
		{read, `{"id":"` + id + `","after":-9223372036854775808}`, "after"},
		{read, `{"id":"` + id + `","after":9223372036854775807}`, "after"},
		{read, `{"id":"` + id + `","limit":-1}`, "limit"},
		{schemas.LeaveWorker.Op, `{"incarnation":"x"}`, "worker_id"},
		{schemas.LeaveWorker.Op, `{"worker_id":"` + id + `","incarnation":"\u0000"}`, "incarnation"},
	} {
		_, err := rpc.Forward(t.Context(), nc, c.op, strings.Replace(c.op.Filter(), "*", "worker_"+id, 1), []byte(c.body))
		failed := asked(t, err)
		require.Equal(t, hodei.Invalid, failed.Code, c.body)
		require.Equal(t, c.field, failed.Details.Field, c.body)
	}
}

// TestAcceptsFieldsOfALaterVersion: programs of Hodei are not all upgraded at
// once.
func TestAcceptsFieldsOfALaterVersion(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	id := hodei.WorkerID(uuid.Must(uuid.NewV7()))
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.RegisterWorker, discard[schemas.RegisterWorkerRequest, hodei.Worker](t))
		rpc.Handle(s, schemas.LeaveWorker, discard[schemas.LeaveRequest, schemas.Empty](t))
		rpc.Handle(s, schemas.PlaceExecution, discard[schemas.PlaceRequest, schemas.Assignment](t))
		rpc.Handle(s, schemas.OrchestratorHealth, discard[schemas.Empty, schemas.Health](t))
		rpc.HandleWorker(s, schemas.CommandWorker, id, discard[schemas.CommandWorkerRequest, hodei.Availability](t))
		rpc.HandleWorker(s, schemas.InterruptExecution, id, discard[schemas.InterruptRequest, schemas.Empty](t))
	})
	for body, op := range map[string]*schemas.Op{
		`{"type":"shell","capacity":1,"labels":{"a":"b"},"later":{}}`:                                schemas.RegisterWorker.Op,
		`{"worker_id":"` + id.String() + `","incarnation":"x","later":1}`:                            schemas.LeaveWorker.Op,
		`{"do":"drain","deadline_seconds":null,"later":1}`:                                           schemas.CommandWorker.Op,
		`{"execution_id":"` + uuid.Must(uuid.NewV7()).String() + `","reason":"CANCELLED","later":1}`: schemas.InterruptExecution.Op,
		`{"later":1}`: schemas.OrchestratorHealth.Op,
		`{"execution_id":"` + uuid.Must(uuid.NewV7()).String() + `","spec":{"command":"echo \\u0000","environment":{},"later":1},"later":1}`: schemas.PlaceExecution.Op,
	} {
		subject := op.Subject
		if op.PerWorker || op.ByWorker {
			subject = op.SubjectFor(id)
		}
		_, err := rpc.Forward(t.Context(), nc, op, subject, []byte(body))
		require.NoError(t, err, body)
	}
	_, err := rpc.Forward(t.Context(), nc, schemas.RegisterWorker.Op, schemas.RegisterWorker.Subject, []byte(`{"type":"shell","capacity":0}`))
	require.Equal(t, "capacity", asked(t, err).Details.Field)
	require.False(t, rpc.IsUnknownField(err))
}

func TestRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	ask := serveAll(t)
	require.ErrorIs(t, ask(schemas.CreatePipeline.Op, `{"name":"`+strings.Repeat("x", rpc.MaxBody)+`"}`), hodei.TooLarge)
	require.ErrorIs(t, ask(schemas.CreatePipeline.Op, strings.Repeat("x", 5<<20)), hodei.TooLarge, "more than NATS takes")
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	ask := serveAll(t)
	id := uuid.NewString()
	for body, op := range map[string]*schemas.Op{
		``:                             schemas.OrchestratorHealth.Op,
		` {} `:                         schemas.ListExecutions.Op,
		`{"id":"` + id + `"}`:          schemas.GetPipeline.Op,
		`{"id":"pipe_` + id + `"}`:     schemas.GetPipeline.Op,
		`{"pipeline_id":"` + id + `"}`: schemas.CreateJob.Op,
		`{"pipeline_id":"` + id + `","command":["a"],"environment":{"A_1":""},"retries":{"max":3},"priority":0,
		  "requirements":{"type":"rust","labels":{"zone":"a"}},"timeout_seconds":0.5}`: schemas.CreateJob.Op,
		`{"name":"` + strings.Repeat("é", 200) + `","description":null}`: schemas.CreatePipeline.Op,
	} {
		require.NoError(t, ask(op, body), body)
	}
}

func TestEverySchemaOfTheTableCompiles(t *testing.T) {
	t.Parallel()
	for _, op := range schemas.Operations {
		require.NotPanics(t, func() {
			rpc.Handle(rpc.New(rpc.Config{}), schemas.Operation[any, any]{Op: op}, func(context.Context, any) (any, error) { return nil, nil })
		}, op.Name)
	}
}
