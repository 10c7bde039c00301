package orchestrator

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// bench is one running orchestrator and what a test calls it with.
type bench struct {
	t      *testing.T
	nc     *nats.Conn   // the test's
	url    string       // of the database
	db     *postgres.DB // the test's
	events *nats.Subscription
}

// start runs an orchestrator without a scheduler and without a worker manager.
func start(t *testing.T) *bench {
	t.Helper()
	nc, _ := localtest.JetStream(t)
	url := localtest.Migrated(t, postgres.Migrate)
	b := &bench{t: t, nc: nc, url: url, db: open(t, url)}
	var err error
	b.events, err = nc.SubscribeSync(schemas.EventSubjects)
	require.NoError(t, err)
	b.instance()
	return b
}

func open(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// instance runs one more instance of the orchestrator until the test ends, or stop is
// called.
func (b *bench) instance() (stop func()) {
	b.t.Helper()
	own, err := rpc.Connect(b.nc.Opts.Servers[0], "orchestrator", localtest.Log(b.t))
	require.NoError(b.t, err)
	b.t.Cleanup(own.Close)
	o := New(Config{NATS: own, DB: open(b.t, b.url), Log: localtest.Log(b.t)})
	return localtest.Run(b.t, o.Run, o.Ready())
}

// neighbours are a scheduler and a worker manager that answer as a test wants
// and keep the requests.
type neighbours struct {
	mu        sync.Mutex
	placed    []schemas.PlaceRequest
	scheduled []schemas.ScheduleRequest
	stopped   []schemas.StopExecutionRequest

	place    func(schemas.PlaceRequest) (schemas.Assignment, error)
	schedule func(schemas.ScheduleRequest) (schemas.Decision, error)
	stop     func(schemas.StopExecutionRequest) (hodei.Execution, error)
}

// scheduler runs a scheduler. By default it places nothing and queues
// everything first in line.
func (b *bench) scheduler(n *neighbours) *neighbours {
	b.t.Helper()
	if n.place == nil {
		n.place = func(schemas.PlaceRequest) (schemas.Assignment, error) {
			return schemas.Assignment{}, hodei.Errorf(hodei.Rejected, "No worker is free")
		}
	}
	if n.schedule == nil {
		n.schedule = func(req schemas.ScheduleRequest) (schemas.Decision, error) {
			first, why := 1, "no worker"
			id, _ := req.ExecutionID.ID()
			return schemas.Decision{ExecutionID: &id, Status: hodei.Pending, QueuePosition: &first, Reason: &why}, nil
		}
	}
	svc := rpc.New(rpc.Config{NATS: b.nc, Name: schemas.Scheduler, Log: localtest.Log(b.t)})
	rpc.Handle(svc, schemas.PlaceExecution, kept(n, &n.placed, n.place))
	rpc.Handle(svc, schemas.Schedule, kept(n, &n.scheduled, n.schedule))
	localtest.Run(b.t, svc.Run, svc.Ready())
	return n
}

// manager runs a worker manager that stops executions with stop.
func (b *bench) manager(n *neighbours) *neighbours {
	b.t.Helper()
	svc := rpc.New(rpc.Config{NATS: b.nc, Name: schemas.WorkerManager, Log: localtest.Log(b.t)})
	rpc.Handle(svc, schemas.StopExecution, kept(n, &n.stopped, n.stop))
	localtest.Run(b.t, svc.Run, svc.Ready())
	return n
}

// kept is a handler that appends each request to a list before it answers.
func kept[Req, Resp any](n *neighbours, list *[]Req, answer func(Req) (Resp, error)) func(context.Context, Req) (Resp, error) {
	return func(_ context.Context, req Req) (Resp, error) {
		n.mu.Lock()
		*list = append(*list, req)
		n.mu.Unlock()
		return answer(req)
	}
}

// counts are how many requests of each kind there were.
func (n *neighbours) counts() (placed, scheduled, stopped int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.placed), len(n.scheduled), len(n.stopped)
}

// job is a job with the given specification; without a command it runs true.
func (b *bench) job(spec hodei.Spec) hodei.Job {
	b.t.Helper()
	p, err := b.db.CreatePipeline(b.t.Context(), hodei.Pipeline{Name: "test"})
	require.NoError(b.t, err)
	if spec.Environment == nil {
		spec.Environment = map[string]string{}
	}
	spec.Requirements.Capacity = 1
	job, err := b.db.CreateJob(b.t.Context(), hodei.Job{PipelineID: p.ID, Spec: spec})
	require.NoError(b.t, err)
	return job
}

var shell = hodei.Command{Shell: "true"}

// executions are all that the record has.
func (b *bench) executions() []hodei.Execution {
	b.t.Helper()
	list, _, err := b.db.ListExecutions(b.t.Context(), postgres.ExecutionFilter{}, postgres.Page{Size: 100})
	require.NoError(b.t, err)
	return list
}

// created waits for the event of an execution's creation.
func (b *bench) created() schemas.Event {
	b.t.Helper()
	msg, err := b.events.NextMsg(30 * time.Second)
	require.NoError(b.t, err)
	e := decode[schemas.Event](b.t, msg.Data)
	require.Equal(b.t, schemas.EventCreated, e.Type)
	return e
}

// ended is an execution of the job that a worker ran to its end.
func (b *bench) ended(job hodei.Job, status hodei.ExecutionStatus, took time.Duration) hodei.Execution {
	b.t.Helper()
	worker := postgres.NewID[hodei.WorkerID]()
	e, err := b.db.CreateExecution(b.t.Context(), hodei.Execution{JobID: &job.ID, PipelineID: &job.PipelineID, Spec: job.Spec})
	require.NoError(b.t, err)
	_, err = b.db.AssignExecution(b.t.Context(), e.ID, worker, "shell", "first")
	require.NoError(b.t, err)
	at := time.Now().UTC()
	began := at.Add(-took)
	e, whole, err := b.db.FinishExecution(b.t.Context(), e.ID, worker, hodei.Outcome{Status: status, StartedAt: &began, CompletedAt: at})
	require.NoError(b.t, err)
	require.True(b.t, whole)
	return e
}
