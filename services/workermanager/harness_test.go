package workermanager

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// bench is one running manager with the connections of the test.
type bench struct {
	*Manager
	t      *testing.T
	nc     *nats.Conn // of the test
	js     jetstream.JetStream
	bucket *kv.Workers
	url    string // of the database
	events *nats.Subscription
}

// start runs a manager that reconciles often and declares workers lost late.
func start(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	nc, js := localtest.JetStream(t)
	b := &bench{t: t, nc: nc, js: js, url: localtest.Migrated(t, postgres.Migrate)}
	db, err := postgres.Open(t.Context(), b.url, 8)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	b.bucket, err = kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	b.events, err = nc.SubscribeSync(schemas.EventSubjects)
	require.NoError(t, err)
	b.run(db, change...)
	return b
}

// run starts a manager, which becomes the one that the bench inspects.
func (b *bench) run(db *postgres.DB, change ...func(*Config)) {
	b.t.Helper()
	own, err := rpc.Connect(b.nc.Opts.Servers[0], "worker-manager", localtest.Log(b.t))
	require.NoError(b.t, err)
	cfg := Config{
		NATS: own, DB: db, Log: localtest.Log(b.t),
		LostAfter: time.Hour, Reconcile: 20 * time.Millisecond, OfferHolds: 10 * time.Second,
	}
	for _, c := range change {
		c(&cfg)
	}
	b.Manager = New(cfg)
	m := b.Manager
	wanted, err := b.nc.SubscribeSync(schemas.LogsWantedSubject)
	require.NoError(b.t, err)
	require.NoError(b.t, b.nc.Flush())
	b.t.Cleanup(own.Close)
	localtest.Run(b.t, m.Run, m.Ready())
	_, err = wanted.NextMsg(30 * time.Second)
	require.NoError(b.t, err, "a new instance requests missed logs")
	require.NoError(b.t, wanted.Unsubscribe())
	b.until("the bucket is followed", func() bool { return m.fleet.isWatched() })
}

// until polls for a condition elsewhere.
func (b *bench) until(what string, met func() bool) {
	b.t.Helper()
	require.True(b.t, b.within(30*time.Second, met), "timed out: %s", what)
}

// never verifies for a while that a condition stays false.
func (b *bench) never(what string, during time.Duration, met func() bool) {
	b.t.Helper()
	require.False(b.t, b.within(during, met), what)
}

// within polls in the test's own goroutine, so that met may fail the test.
func (b *bench) within(d time.Duration, met func() bool) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !met() {
		select {
		case <-over.C:
			return false
		case <-look.C:
		}
	}
	return true
}

// pending creates a waiting execution.
func (b *bench) pending() hodei.Execution {
	b.t.Helper()
	e, err := b.db.CreateExecution(b.t.Context(), hodei.Execution{Spec: hodei.Spec{
		Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5, Requirements: hodei.Requirements{Capacity: 1},
	}})
	require.NoError(b.t, err)
	return e
}

func (b *bench) execution(id hodei.ExecutionID) hodei.Execution {
	b.t.Helper()
	e, err := b.db.GetExecution(b.t.Context(), id)
	require.NoError(b.t, err)
	return e
}

// becomes waits for the status of an execution in the record.
func (b *bench) becomes(id hodei.ExecutionID, status hodei.ExecutionStatus) hodei.Execution {
	b.t.Helper()
	b.until(fmt.Sprintf("%s is %s", id, status), func() bool { return b.execution(id).Status == status })
	return b.execution(id)
}

// requireStays verifies that passes of the reconciler leave an execution
// RUNNING.
func (b *bench) requireStays(id hodei.ExecutionID) {
	b.t.Helper()
	b.never(id.String()+" must stay", 20*b.cfg.Reconcile, func() bool { return b.execution(id).Status != hodei.Running })
}

// recorded returns the worker from the record only.
func (b *bench) recorded(id hodei.WorkerID) hodei.Worker {
	b.t.Helper()
	w, err := b.db.GetWorker(b.t.Context(), id)
	require.NoError(b.t, err)
	return w
}

// records waits for the status of a worker in the record.
func (b *bench) records(id hodei.WorkerID, status hodei.WorkerStatus) hodei.Worker {
	b.t.Helper()
	b.until(fmt.Sprintf("%s is %s", id, status), func() bool { return b.recorded(id).Status == status })
	return b.recorded(id)
}

// next waits for the next event.
func (b *bench) next() schemas.Event {
	b.t.Helper()
	msg, err := b.events.NextMsg(30 * time.Second)
	require.NoError(b.t, err)
	return decode[schemas.Event](b.t, msg.Data)
}

// event waits for the next event of a type, and returns it.
func (b *bench) event(kind string) schemas.Event {
	b.t.Helper()
	for {
		msg, err := b.events.NextMsg(30 * time.Second)
		require.NoError(b.t, err, kind)
		if event := decode[schemas.Event](b.t, msg.Data); event.Type == kind {
			return event
		}
	}
}

// ask sends a request over NATS.
func ask[Req, Rep any](b *bench, op schemas.Operation[Req, Rep], req Req) (Rep, error) {
	return rpc.Call(b.t.Context(), b.nc, op, req)
}

func must[Req, Rep any](b *bench, op schemas.Operation[Req, Rep], req Req) Rep {
	b.t.Helper()
	rep, err := ask(b, op, req)
	require.NoError(b.t, err)
	return rep
}

// hand is a worker controlled by the test.
type hand struct {
	b    *bench
	id   hodei.WorkerID
	stop func() // stops its service

	mu          sync.Mutex
	report      hodei.Availability
	mute        bool                                              // sends no report and does not answer offers
	offer       func(schemas.ExecutionRequest) schemas.Acceptance // accepts when nil
	refuse      error                                             // answer to a command
	offers      []schemas.ExecutionRequest
	together    []int // how many offers each request had
	interrupted []schemas.InterruptRequest
	commands    []schemas.CommandWorkerRequest
}

// worker registers a worker, runs its service, and sends its first report.
func (b *bench) worker() *hand {
	b.t.Helper()
	h := b.registered()
	h.answer()
	h.reportAfter(nil)
	return h
}

// registered returns a worker that has sent no report and runs no service.
func (b *bench) registered() *hand {
	b.t.Helper()
	h := &hand{b: b}
	h.register(nil)
	return h
}

// register makes the worker a new process.
func (h *hand) register(id *hodei.WorkerID) {
	h.b.t.Helper()
	h.report = hodei.Availability{Type: "shell", Status: hodei.WorkerAvailable, Slots: 4, Free: 4, Incarnation: uuid.NewString()}
	w := must(h.b, schemas.RegisterWorker, schemas.RegisterWorkerRequest{ID: id, Type: "shell", Capacity: 4, Incarnation: h.report.Incarnation})
	h.id, h.report.WorkerID = w.ID, w.ID
}

// answer runs the worker's service until stop.
func (h *hand) answer() {
	svc := rpc.New(rpc.Config{NATS: h.b.nc, Name: schemas.Worker, Log: localtest.Log(h.b.t), Grace: time.Millisecond})
	rpc.HandleWorker(svc, schemas.RequestExecutions, h.id, h.onOffers)
	rpc.HandleWorker(svc, schemas.InterruptExecution, h.id, func(_ context.Context, req schemas.InterruptRequest) (schemas.Empty, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.interrupted = append(h.interrupted, req)
		return schemas.Empty{}, nil
	})
	rpc.HandleWorker(svc, schemas.CommandWorker, h.id, h.onCommand)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = svc.Run(ctx) })
	h.stop = func() { cancel(); running.Wait() }
	h.b.t.Cleanup(h.stop)
	<-svc.Ready()
}

// answerForItself makes the worker answer worker.status, until stop.
func (h *hand) answerForItself() (stop func()) {
	h.b.t.Helper()
	sub, err := h.b.nc.Subscribe(schemas.GetWorkerStatus.SubjectFor(h.id), func(msg *nats.Msg) {
		h.mu.Lock()
		defer h.mu.Unlock()
		body, _ := json.Marshal(h.report)
		_ = msg.Respond(body) // fails after the end of the test
	})
	require.NoError(h.b.t, err)
	require.NoError(h.b.t, h.b.nc.Flush())
	return func() { _ = sub.Unsubscribe() }
}

func (h *hand) onOffers(ctx context.Context, req schemas.OfferRequest) (out schemas.Results[schemas.Acceptance], err error) {
	h.mu.Lock()
	h.together = append(h.together, len(req.Offers))
	h.mu.Unlock()
	for _, offer := range req.Offers {
		a, err := h.onOffer(ctx, offer)
		if err != nil {
			return out, err
		}
		out.Results = append(out.Results, schemas.Result[schemas.Acceptance]{Value: &a})
	}
	return out, nil
}

func (h *hand) onOffer(ctx context.Context, req schemas.ExecutionRequest) (schemas.Acceptance, error) {
	h.mu.Lock()
	h.offers = append(h.offers, req)
	mute, decide := h.mute, h.offer
	h.mu.Unlock()
	switch {
	case mute: // until the caller gives up
		<-ctx.Done()
		return schemas.Acceptance{}, ctx.Err()
	case decide != nil:
		return decide(req), nil
	}
	now := time.Now().UTC()
	return schemas.Acceptance{Accepted: true, StartedAt: &now, Free: 3, Revision: 7}, nil
}

// latest returns the worker's newest report.
func (h *hand) latest() hodei.Availability {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.report
}

// onCommand changes the status like a worker, but does not write the
// key; reportAfter does.
func (h *hand) onCommand(_ context.Context, req schemas.CommandWorkerRequest) (hodei.Availability, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commands = append(h.commands, req)
	if h.refuse != nil {
		return hodei.Availability{}, h.refuse
	}
	h.report.Revision++
	switch {
	case req.Do == schemas.Drain:
		h.report.Status = hodei.WorkerDraining
	case req.Do == schemas.Terminate:
		h.report.Status = hodei.WorkerTerminating
	case req.Do == schemas.Cordon, req.Do == schemas.Uncordon:
		h.report.Cordoned = req.Do == schemas.Cordon
	case len(h.report.Running) > 0:
		h.report.Status = hodei.WorkerBusy
	default:
		h.report.Status = hodei.WorkerAvailable
	}
	return h.report, nil
}

// reportAfter writes the worker's key after a change, and waits until the manager has
// received it.
func (h *hand) reportAfter(change func(*hodei.Availability)) {
	h.b.t.Helper()
	h.mu.Lock()
	if change != nil {
		change(&h.report)
	}
	h.report.Revision++
	h.report.At = time.Now().UTC()
	report := h.report
	h.mu.Unlock()
	require.NoError(h.b.t, h.b.bucket.Put(h.b.t.Context(), report))
	h.b.until("the report is received", func() bool {
		m, ok := h.b.fleet.get(h.id)
		return ok && (m.report.Incarnation == report.Incarnation && m.report.Revision >= report.Revision)
	})
}

// keepReporting renews the worker's report until the test ends.
func (h *hand) keepReporting() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				h.mu.Lock()
				h.report.Revision++
				h.report.At = time.Now().UTC()
				report := h.report
				h.mu.Unlock()
				_ = h.b.bucket.Put(ctx, report) // fails after the end of the test
			}
		}
	})
	h.b.t.Cleanup(func() { cancel(); running.Wait() })
}

// silent makes the worker silent for longer than LostAfter.
func (h *hand) silent() {
	h.b.t.Helper()
	h.silentFor(h.b.cfg.LostAfter + time.Second)
}

// silentFor moves the worker's last report back by d. The time does not pass in
// the test, because on a busy machine any limit would be too short.
func (h *hand) silentFor(d time.Duration) {
	h.b.t.Helper()
	h.b.until("the worker is expected", func() bool { _, ok := h.b.fleet.get(h.id); return ok })
	h.b.fleet.mu.Lock()
	defer h.b.fleet.mu.Unlock()
	if m := h.b.fleet.members[h.id]; m != nil {
		m.since = time.Now().Add(-d)
	}
}

// counted reports whether the count of the worker's silence has restarted.
func (h *hand) counted() bool {
	m, ok := h.b.fleet.get(h.id)
	return ok && time.Since(m.since) < h.b.cfg.LostAfter/2
}

// given returns an execution that the worker has accepted and reports.
func (h *hand) given() hodei.Execution {
	h.b.t.Helper()
	e := h.b.pending()
	must(h.b, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &h.id, Scheduled: true})
	h.reportAfter(func(a *hodei.Availability) {
		a.Status, a.Running = hodei.WorkerBusy, append(append([]hodei.ExecutionID{}, a.Running...), e.ID)
		a.Free--
	})
	return h.b.execution(e.ID)
}

// awaitInterrupt waits until the worker receives an interrupt.
func (h *hand) awaitInterrupt(id hodei.ExecutionID, reason hodei.Reason) {
	h.b.t.Helper()
	h.b.until("the worker receives an interrupt of "+id.String(), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, i := range h.interrupted {
			if i.ExecutionID == id && i.Reason == reason {
				return true
			}
		}
		return false
	})
}

// commanded returns the commands that the worker has received.
func (h *hand) commanded() (did []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.commands {
		did = append(did, c.Do)
	}
	return did
}

func (h *hand) lastCommand() schemas.CommandWorkerRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commands[len(h.commands)-1]
}

// chunk returns the NDJSON of the lines first to last.
func chunk(first, last int64) []byte {
	var text strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&text, `{"timestamp":"2026-01-01T00:00:%02dZ","stream":"%s","line":"line %d","sequence":%d}`+"\n", n%60, stream(n), n, n)
	}
	return []byte(text.String())
}

// stream puts every third line on standard error.
func stream(n int64) hodei.Stream {
	if n%3 == 0 {
		return hodei.Stderr
	}
	return hodei.Stdout
}

// print publishes lines like a worker.
func (h *hand) print(id hodei.ExecutionID, first, last int64) {
	h.b.t.Helper()
	h.publish(id, strconv.FormatInt(first, 10), strconv.FormatInt(last, 10), chunk(first, last))
}

func (h *hand) publish(id hodei.ExecutionID, first, last string, lines []byte, encoding ...string) {
	h.b.t.Helper()
	require.NoError(h.b.t, h.b.nc.PublishMsg(&nats.Msg{Subject: schemas.LogSubject(h.id, id), Data: lines, Header: nats.Header{
		schemas.HeaderIncarnation: []string{h.report.Incarnation},
		schemas.HeaderFirst:       []string{first}, schemas.HeaderLast: []string{last}, schemas.HeaderEncoding: encoding,
	}}))
}

// printed prints lines and waits until the record has all of them.
func (h *hand) printed(id hodei.ExecutionID, first, last int64) {
	h.b.t.Helper()
	before := h.b.execution(id).LogCount
	h.print(id, first, last)
	h.b.until("the lines are recorded", func() bool { return h.b.execution(id).LogCount == before+last-first+1 })
}

// ended returns the report of an execution that exited with 0, and whose chunks
// have these last lines.
func (h *hand) ended(id hodei.ExecutionID, lasts ...int64) schemas.End {
	now, code := time.Now().UTC(), 0
	var count int64
	var digest logchunk.Digest
	for _, last := range lasts {
		digest.Add(logchunk.Body{Lines: chunk(count+1, last)})
		count = last
	}
	return schemas.End{ExecutionID: id, Outcome: hodei.Outcome{
		Status: hodei.Completed, ExitCode: &code, StartedAt: &now, CompletedAt: now, LogCount: count, LogDigest: int64(digest),
	}}
}

func decode[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(body, &v))
	return v
}
