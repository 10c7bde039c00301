package system_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// steps makes Postgres record every state change of an execution.
const steps = `CREATE TABLE steps (n bigserial PRIMARY KEY, id uuid, before text, after text);
	CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO steps (id, before, after) VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status ELSE '' END, NEW.status);
		RETURN NULL; END $$;
	CREATE TRIGGER step AFTER INSERT OR UPDATE OF status ON executions FOR EACH ROW EXECUTE FUNCTION step();`

// walk sends any request in any order, valid or not.
type walk struct {
	ctx    context.Context
	nc     *nats.Conn
	faces  []*client.Client
	worker hodei.Worker
	job    hodei.JobID // retried once
	made   []hodei.ExecutionID
}

func (w *walk) face(t *rapid.T) *client.Client { return rapid.SampledFrom(w.faces).Draw(t, "face") }

func (w *walk) execution(t *rapid.T) hodei.ExecutionID {
	if len(w.made) == 0 {
		t.Skip("there is none yet")
	}
	return rapid.SampledFrom(w.made).Draw(t, "execution")
}

// someone returns the worker's id or an unknown one.
func (w *walk) someone(t *rapid.T) hodei.WorkerID {
	return rapid.SampledFrom([]hodei.WorkerID{w.worker.ID, w.worker.ID, {1}}).Draw(t, "worker")
}

// answered accepts any well-formed answer.
func answered(t *rapid.T, err error) {
	if err != nil {
		require.NotEqual(t, hodei.Internal, hodei.AsError(err).Code, "%v", err)
	}
}

func (w *walk) execute(t *rapid.T) {
	command := rapid.SampledFrom([]hodei.Command{
		{Args: []string{"true"}}, {Args: []string{"false"}}, {Args: []string{"sleep", "0.03"}}, {Shell: "echo one; echo two"}, {Args: []string{"nothing-such"}},
	}).Draw(t, "command")
	if rapid.Bool().Draw(t, "ad hoc") {
		e, err := w.face(t).Execute(w.ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &command}})
		require.NoError(t, err)
		w.made = append(w.made, e.ID)
		return
	}
	req := schemas.ExecuteJobRequest{ID: w.job, Command: &command}
	req.WaitSeconds = new(rapid.SampledFrom([]float64{0, 0.02}).Draw(t, "wait"))
	req.IfNoWorker = rapid.SampledFrom([]string{schemas.Queue, schemas.Reject}).Draw(t, "if no worker")
	started, err := w.face(t).ExecuteJob(w.ctx, req)
	answered(t, err)
	if err == nil {
		w.made = append(w.made, started.ExecutionID)
	}
}

func (w *walk) cancel(t *rapid.T) {
	_, err := w.face(t).CancelExecution(w.ctx, schemas.CancelExecutionRequest{ID: hodei.RefTo(w.execution(t))})
	answered(t, err)
}

func (w *walk) retry(t *rapid.T) {
	again, err := w.face(t).RetryExecution(w.ctx, schemas.RetryExecutionRequest{ID: hodei.RefTo(w.execution(t))})
	answered(t, err)
	if err == nil {
		w.made = append(w.made, again.ID)
	}
}

func (w *walk) assign(t *rapid.T) {
	_, err := w.face(t).AssignExecution(w.ctx, schemas.AssignRequest{ExecutionID: hodei.RefTo(w.execution(t)), WorkerID: new(w.someone(t))})
	answered(t, err)
}

func (w *walk) schedule(t *rapid.T) {
	_, err := rpc.Call(w.ctx, w.nc, schemas.Schedule, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(*new(w.execution(t))))})
	answered(t, err)
}

func (w *walk) stop(t *rapid.T) {
	reason := rapid.SampledFrom([]hodei.Reason{"", hodei.ReasonCancelled, hodei.ReasonRejected}).Draw(t, "reason")
	_, err := rpc.Call(w.ctx, w.nc, schemas.StopExecution, schemas.StopExecutionRequest{ID: w.execution(t), Reason: reason})
	answered(t, err)
}

// finish reports an end that did not happen.
func (w *walk) finish(t *rapid.T) {
	end := rapid.SampledFrom(hodei.ExecutionTransitions.States()).Draw(t, "end")
	reply, err := rpc.Call(w.ctx, w.nc, schemas.FinishExecutions, schemas.FinishRequest{
		WorkerID: w.someone(t), Ends: []schemas.End{{
			ExecutionID: w.execution(t),
			Outcome:     hodei.Outcome{Status: end, CompletedAt: time.Now().UTC(), LogCount: int64(rapid.IntRange(0, 2).Draw(t, "lines"))},
		}},
	})
	if err == nil {
		_, err = reply.Get(0)
	}
	if !strings.Contains(fmt.Sprint(err), "digest") { // such an error for our own worker would be our fault
		answered(t, err)
	}
}

func (w *walk) interrupt(t *rapid.T) {
	// WORKER_LOST makes the worker abandon the execution; only the worker
	// manager may send it.
	reason := rapid.SampledFrom([]hodei.Reason{hodei.ReasonCancelled, hodei.ReasonTimeout, hodei.ReasonWorkerTerminated}).Draw(t, "reason")
	_, err := rpc.CallWorker(w.ctx, w.nc, schemas.InterruptExecution, w.worker.ID, schemas.InterruptRequest{ExecutionID: w.execution(t), Reason: reason})
	answered(t, err)
}

// leave reports that an unknown incarnation has left.
func (w *walk) leave(t *rapid.T) {
	_, err := rpc.Call(w.ctx, w.nc, schemas.LeaveWorker, schemas.LeaveRequest{
		WorkerID: w.someone(t), Incarnation: "never was", Killed: rapid.Bool().Draw(t, "killed"),
	})
	answered(t, err)
}

// TestNoFaceMakesAnIllegalTransition: after any requests over REST and NATS,
// including internal subjects, executions change state only as the table
// allows, and end once.
func TestNoFaceMakesAnIllegalTransition(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	addrs, stop := run(t, cfg)
	nc := localtest.Connect(t, srv.NATS)
	db, err := pgx.Connect(t.Context(), cfg.DatabaseURL)
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), steps)
	require.NoError(t, err)
	faces := []*client.Client{client.NATS(nc), client.HTTP("http://" + addrs[0])}
	workers, err := faces[0].ListWorkers(t.Context(), schemas.ListWorkersRequest{})
	require.NoError(t, err)

	pipeline, err := faces[0].CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "walk"})
	require.NoError(t, err)
	job, err := faces[0].CreateJob(t.Context(), schemas.CreateJobRequest{PipelineID: hodei.RefTo(pipeline.ID), Retries: &hodei.Retries{Max: 1}})
	require.NoError(t, err)

	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := &walk{ctx: ctx, nc: nc, faces: faces, worker: workers.Items[0], job: job.ID}
		rt.Repeat(map[string]func(*rapid.T){
			"execute": w.execute, "execute more": w.execute, "cancel": w.cancel, "retry": w.retry, "assign": w.assign, "schedule": w.schedule,
			"stop": w.stop, "finish": w.finish, "interrupt": w.interrupt, "leave": w.leave,
		})
		for _, id := range w.made {
			e, err := faces[0].Wait(ctx, id)
			require.NoError(rt, err)
			rows, err := db.Query(ctx, `SELECT before, after FROM steps WHERE id = $1 ORDER BY n`, id)
			require.NoError(rt, err)
			type step struct{ Before, After hodei.ExecutionStatus }
			history, err := pgx.CollectRows(rows, pgx.RowToStructByPos[step])
			require.NoError(rt, err)
			at, ends := history[0].After, 0
			require.Contains(rt, []step{{"", hodei.Pending}, {"", hodei.Running}}, history[0], "recorded first, or with its assignment")
			for _, s := range history[1:] {
				require.Equal(rt, at, s.Before)
				require.True(rt, hodei.ExecutionTransitions.Allows(s.Before, s.After), "%s: %v", id, history)
				if at = s.After; at.Ended() {
					ends++
				}
			}
			require.Equal(rt, 1, ends, "%s: %v", id, history)
			require.Equal(rt, at, e.Status)
		}
	})
	require.NoError(t, db.Close(context.Background()))
	nc.Close()
	require.NoError(t, stop())
}

// TestRunningExecutionIsNotRejected: an execution that must not queue, but that another
// caller has assigned meanwhile, is answered with its actual state.
func TestRunningExecutionIsNotRejected(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	cfg := config(t, srv, 1)
	_, stop := run(t, cfg)
	nc := localtest.Connect(t, srv.NATS)
	c := client.NATS(nc)
	workers, err := c.ListWorkers(t.Context(), schemas.ListWorkersRequest{})
	require.NoError(t, err)
	db, err := postgres.Open(t.Context(), cfg.DatabaseURL, 2)
	require.NoError(t, err)
	end := filepath.Join(t.TempDir(), "end")
	draft := hodei.Execution{Spec: hodei.Spec{Command: hodei.Command{Shell: "until test -e " + end + "; do sleep 0.02; done"}, Environment: map[string]string{}}}
	e, err := db.CreateExecution(t.Context(), draft) // unknown to every scheduler
	require.NoError(t, err)
	ask := schemas.ScheduleRequest{
		ExecutionID: new(hodei.RefTo(e.ID)), Brief: true, JobConfig: &schemas.JobConfig{Type: new("nobody"), Requirements: &hodei.Requirements{}},
		Waiting: schemas.Waiting{WaitSeconds: new(0.0), IfNoWorker: schemas.Reject},
	}
	_, err = c.AssignExecution(t.Context(), schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &workers.Items[0].ID})
	require.NoError(t, err)
	d, err := rpc.Call(t.Context(), nc, schemas.Schedule, ask)
	require.NoError(t, err)
	require.Equal(t, hodei.Running, d.Status)
	require.Equal(t, workers.Items[0].ID, *d.WorkerID)
	require.NoError(t, os.WriteFile(end, nil, 0o600))
	e, err = c.Wait(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, hodei.Completed, e.Status)
	_, err = rpc.Call(t.Context(), nc, schemas.Schedule, ask)
	require.NoError(t, err, "it has run")

	e, err = db.CreateExecution(t.Context(), draft)
	require.NoError(t, err)
	ask.ExecutionID = new(hodei.RefTo(e.ID))
	for range 2 { // a repeat, in case the answer was lost
		_, err = rpc.Call(t.Context(), nc, schemas.Schedule, ask)
		require.ErrorIs(t, err, hodei.Rejected)
	}
	db.Close()
	nc.Close()
	require.NoError(t, stop())
}
