package rpc_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// held answers pipelines.create only after release, and signals each request
// that has entered.
type held struct {
	inside  chan string
	release chan struct{}
}

func newHeld() *held { return &held{inside: make(chan string, 100), release: make(chan struct{})} }

func (h *held) create(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
	h.inside <- req.Name
	select {
	case <-h.release:
		return hodei.Pipeline{Name: req.Name}, nil
	case <-ctx.Done():
		return hodei.Pipeline{}, ctx.Err()
	}
}

func (h *held) add(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, h.create) }

// ask sends n requests at once and returns the replies as they arrive.
func ask(nc *nats.Conn, n int) <-chan error {
	answers := make(chan error, n)
	for range n {
		go func() {
			_, err := rpc.Call(context.Background(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
			answers <- err
		}()
	}
	return answers
}

func TestRequestsRunInParallel(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	start(t, rpc.Config{NATS: nc}, h.add)
	for range 3 { // later rounds run on the goroutines of the first
		answers := ask(nc, 100)
		for range 100 {
			<-h.inside // all have entered, and none is answered yet
		}
		for range 100 {
			h.release <- struct{}{}
		}
		for range 100 {
			require.NoError(t, <-answers)
		}
	}
}

func TestRequestOverTheLimitIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	start(t, rpc.Config{NATS: nc, InFlight: 2}, h.add)
	answers := ask(nc, 2)
	<-h.inside
	<-h.inside
	err := <-ask(nc, 1)
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, "Too many requests in flight", asked(t, err).Message)
	close(h.release)
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
	// A request keeps its place until just after its reply.
	require.Eventually(t, func() bool { return <-ask(nc, 1) == nil }, 30*time.Second, time.Millisecond, "there is room again")
}

// TestPeopleHaveARate: a token that sends too much is refused before its request is handled or
// recorded. Other tokens, and the requests of services, are not.
func TestPeopleHaveARate(t *testing.T) {
	t.Parallel()
	nc, key := connect(t), []byte(strings.Repeat("k", 32))
	var recorded atomic.Int64
	start(t, rpc.Config{
		NATS: nc, RatePerToken: 1, CallerKey: func(context.Context) ([]byte, error) { return key, nil },
		Audit: func(context.Context, hodei.AuditRecord) error { recorded.Add(1); return nil },
	}, func(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, create) })
	asPerson := func(id hodei.TokenID) string {
		name, err := rpc.UserName(key, hodei.Caller{Kind: hodei.CallerToken, ID: &id, Name: "ana", Role: hodei.Admin})
		require.NoError(t, err)
		info, err := json.Marshal(map[string]string{"user": name})
		require.NoError(t, err)
		msg, err := nc.RequestMsg(&nats.Msg{
			Subject: schemas.CreatePipeline.PeopleSubject(), Header: nats.Header{schemas.HeaderRequestInfo: {string(info)}}, Data: []byte(`{"name":"demo"}`),
		}, time.Minute)
		require.NoError(t, err)
		return msg.Header.Get("Nats-Service-Error-Code")
	}
	codes := map[string]int{}
	for range 100 {
		codes[asPerson(hodei.TokenID{1})]++
	}
	require.GreaterOrEqual(t, codes[""], 2, codes)
	require.Positive(t, codes["429"], codes)
	require.Len(t, codes, 2, codes)
	require.EqualValues(t, codes[""], recorded.Load())
	require.Empty(t, asPerson(hodei.TokenID{2}))
	for range 10 {
		_, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
		require.NoError(t, err)
	}
}

func TestStopWaitsForRequestsInFlight(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	stop := start(t, rpc.Config{NATS: nc}, h.add)
	answers := ask(nc, 10)
	for range 10 {
		<-h.inside
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("stopped with requests in flight")
	case <-time.After(200 * time.Millisecond):
	}
	close(h.release)
	for range 10 {
		require.NoError(t, <-answers)
	}
	<-stopped
}

// Every request sent before the stop gets an answer: from its handler, or "no
// responders".
func TestStopLosesNothing(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	for range 5 {
		stop := start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, create) })
		first := make(chan struct{})
		var once sync.Once
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 20 {
					answer, err := nc.Request(schemas.CreatePipeline.Subject, []byte(`{"name":"demo"}`), time.Minute)
					if err != nil {
						assert.ErrorIs(t, err, nats.ErrNoResponders)
						return
					}
					assert.Empty(t, answer.Header.Get(micro.ErrorHeader))
					once.Do(func() { close(first) })
				}
			})
		}
		<-first
		stop()
		all.Wait()
	}
}

func TestStopEndsRequestsAfterTheGrace(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	stop := start(t, rpc.Config{NATS: nc, Grace: 50 * time.Millisecond}, h.add)
	answers := ask(nc, 1)
	<-h.inside
	stop()
	err := <-answers
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, "The service is stopping", asked(t, err).Message)
}

func TestExpiredRequestIsNotServed(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	start(t, rpc.Config{NATS: nc}, h.add)
	close(h.release)
	msg := nats.NewMsg(schemas.CreatePipeline.Subject)
	msg.Reply, msg.Data = nats.NewInbox(), []byte(`{"name":"late"}`)
	msg.Header[schemas.HeaderDeadline] = []string{time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)}
	require.NoError(t, nc.PublishMsg(msg))
	require.NoError(t, <-ask(nc, 1)) // sent after the expired request
	require.Equal(t, "demo", <-h.inside)
	require.Eventually(t, func() bool { return stats(t, nc)["expired"] == 1 }, time.Minute, 5*time.Millisecond)
	require.Empty(t, h.inside)
}

func TestDeadlineReachesTheHandler(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	start(t, rpc.Config{NATS: nc}, h.add)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := rpc.Call(ctx, nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.ErrorIs(t, err, hodei.Timeout)
	require.Eventually(t, func() bool { return stats(t, nc)["in_flight"] == 0 }, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 1, stats(t, nc)["errors"])
}

// stats returns the statistics of pipelines.create as `nats service stats`
// shows them.
func stats(t *testing.T, nc *nats.Conn) map[string]float64 {
	t.Helper()
	answer, err := nc.Request("$SRV.STATS."+schemas.Orchestrator, nil, time.Minute)
	require.NoError(t, err)
	var all micro.Stats
	require.NoError(t, json.Unmarshal(answer.Data, &all))
	for _, e := range all.Endpoints {
		if e.Subject == schemas.CreatePipeline.Subject {
			var own map[string]float64
			require.NoError(t, json.Unmarshal(e.Data, &own))
			return own
		}
	}
	t.Fatal("the endpoint has no statistics")
	return nil
}

func TestServiceIsVisible(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	close(h.release)
	start(t, rpc.Config{NATS: nc, InFlight: 10, Metadata: map[string]string{"zone": "a"}}, h.add)
	require.NoError(t, <-ask(nc, 1))
	_, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{})
	require.ErrorIs(t, err, hodei.Invalid)
	require.Eventually(t, func() bool { return stats(t, nc)["in_flight"] == 0 }, time.Minute, 5*time.Millisecond)
	got := stats(t, nc)
	require.EqualValues(t, 2, got["requests"])
	require.EqualValues(t, 1, got["errors"])
	require.Zero(t, got["refused"])
	require.Positive(t, got["processing_ns"])

	answer, err := nc.Request("$SRV.INFO."+schemas.Orchestrator, nil, time.Minute)
	require.NoError(t, err)
	var info micro.Info
	require.NoError(t, json.Unmarshal(answer.Data, &info))
	require.Equal(t, "a", info.Metadata["zone"])
	require.Len(t, info.Endpoints, 1)
	require.Equal(t, "pipelines-create", info.Endpoints[0].Name)
	meta := info.Endpoints[0].Metadata
	require.Equal(t, "urn:hodei:v1:create_pipeline_request", meta["schema.request"])
	require.Equal(t, "urn:hodei:v1:pipeline", meta["schema.reply"])
	require.Len(t, meta["schema.request.sha256"], 64)
	require.Equal(t, "POST /api/v1/pipelines", meta["http"])
}

func TestRunFailsWhenTheConnectionIsClosed(t *testing.T) {
	t.Parallel()
	nc, h := connect(t), newHeld()
	service := rpc.New(rpc.Config{NATS: nc, Name: schemas.Orchestrator, Log: localtest.Log(t)})
	h.add(service)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(context.Background()) }()
	<-service.Ready()
	nc.Close()
	require.ErrorIs(t, <-ended, nats.ErrConnectionClosed)
	require.ErrorIs(t, rpc.New(rpc.Config{NATS: nc, Name: schemas.Orchestrator}).Run(t.Context()), nats.ErrConnectionClosed)
}

// waiter answers jobs.execute after release or when its caller disconnects.
func waiter(began chan<- bool, release <-chan struct{}) func(context.Context, schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
	return func(ctx context.Context, _ schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
		over, may := rpc.Wait(ctx)
		began <- may
		if may {
			select {
			case <-release:
			case <-over:
			}
		}
		return schemas.StartedExecution{Status: hodei.Pending}, ctx.Err()
	}
}

func execute(ctx context.Context, nc *nats.Conn) error {
	_, err := rpc.Call(ctx, nc, schemas.ExecuteJob, schemas.ExecuteJobRequest{ID: hodei.JobID(uuid.Must(uuid.NewV7()))})
	return err
}

// TestWaitingHoldsNoPlace: a waiting request leaves its place to others, and
// above the limit it does not wait.
func TestWaitingHoldsNoPlace(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	began, release := make(chan bool), make(chan struct{})
	// Two places: a request leaves its place after its answer, so that the next one may find it taken.
	start(t, rpc.Config{NATS: nc, InFlight: 2, Waiting: 3}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.ExecuteJob, waiter(began, release))
	})
	answers := make(chan error, 5)
	for i := range 5 {
		go func() { answers <- execute(t.Context(), nc) }()
		require.Equal(t, i < 3, <-began)
		if i >= 3 {
			require.NoError(t, <-answers, "answered at once")
		}
	}
	close(release)
	for range 3 {
		require.NoError(t, <-answers)
	}
	require.Eventually(t, func() bool {
		go func() { answers <- execute(t.Context(), nc) }()
		may := <-began
		require.NoError(t, <-answers)
		return may
	}, time.Minute, time.Millisecond, "there is room again, soon after the answers")
}

// TestAHangUpEndsTheWaitAtEveryHop: a hang-up ends the wait and nothing else.
func TestAHangUpEndsTheWaitAtEveryHop(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	began, ended := make(chan bool, 1), make(chan error, 1)
	start(t, rpc.Config{NATS: nc, Name: schemas.Scheduler}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.Schedule, func(ctx context.Context, _ schemas.ScheduleRequest) (schemas.Decision, error) {
			over, may := rpc.Wait(ctx)
			began <- may
			<-over
			return schemas.Decision{Status: hodei.Pending}, ctx.Err()
		})
	})
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.ExecuteJob, func(ctx context.Context, _ schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
			_, may := rpc.Wait(ctx)
			require.True(t, may)
			d, err := rpc.Call(ctx, nc, schemas.Schedule, schemas.ScheduleRequest{DryRun: true})
			if err == nil {
				err = ctx.Err()
			}
			ended <- err
			return schemas.StartedExecution{Status: d.Status}, err
		})
	})
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- execute(ctx, nc) }()
	require.True(t, <-began)
	require.NoError(t, nc.Publish(schemas.HangUpSubject, []byte("another call")))
	hangUp()
	require.ErrorIs(t, <-answered, context.Canceled)
	require.NoError(t, <-ended, "the handler goes on to its answer")
}

// TestAHangUpBeforeTheServiceRuns: the request that reaches the service afterwards does not wait.
func TestAHangUpBeforeTheServiceRuns(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	hangUps, err := nc.SubscribeSync(schemas.HangUpSubject)
	require.NoError(t, err)
	began, ended := make(chan bool, 1), make(chan error, 1)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.ExecuteJob, func(ctx context.Context, _ schemas.ExecuteJobRequest) (schemas.StartedExecution, error) {
			began <- true
			_, err := rpc.Call(ctx, nc, schemas.Schedule, schemas.ScheduleRequest{DryRun: true})
			ended <- err
			return schemas.StartedExecution{}, err
		})
	})
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- execute(ctx, nc) }()
	<-began
	hangUp()
	require.ErrorIs(t, <-answered, context.Canceled)
	for range 2 { // that of the client, and that of the first service
		_, err := hangUps.NextMsg(time.Minute)
		require.NoError(t, err)
	}
	start(t, rpc.Config{NATS: nc, Name: schemas.Scheduler}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.Schedule, func(ctx context.Context, _ schemas.ScheduleRequest) (schemas.Decision, error) {
			over, _ := rpc.Wait(ctx)
			select {
			case <-over:
			case <-ctx.Done():
			}
			return schemas.Decision{Status: hodei.Pending}, ctx.Err()
		})
	})
	require.NoError(t, <-ended)
}

// TestAHangUpOvertakesItsRequest: the caller has left, and the service finds the request in
// its queue after the first hang-up.
func TestAHangUpOvertakesItsRequest(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	hangUps, err := nc.SubscribeSync(schemas.HangUpSubject)
	require.NoError(t, err)
	requests, err := nc.SubscribeSync(schemas.ExecuteJob.Subject)
	require.NoError(t, err)
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- execute(ctx, nc) }()
	req, err := requests.NextMsg(time.Minute)
	require.NoError(t, err)
	hangUp()
	require.ErrorIs(t, <-left, context.Canceled)
	for range 2 {
		msg, err := hangUps.NextMsg(time.Minute)
		require.NoError(t, err)
		require.Equal(t, req.Header.Get(schemas.HeaderCall), string(msg.Data))
	}
}

// TestARequestThatEndsWithItsContextHangsUp: the request may see the end of its context before
// the functions that wait for that end are started.
func TestARequestThatEndsWithItsContextHangsUp(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	hangUps, err := nc.SubscribeSync(schemas.HangUpSubject)
	require.NoError(t, err)
	answered, left := nats.NewMsg("a"), nats.NewMsg("b")
	rpc.Named(t.Context(), nc, answered)(nil)
	rpc.Named(t.Context(), nc, left)(context.Canceled)
	msg, err := hangUps.NextMsg(time.Minute)
	require.NoError(t, err)
	require.Equal(t, left.Header.Get(schemas.HeaderCall), string(msg.Data))
}
