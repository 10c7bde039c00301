package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a service with the operations that add registers, until the test
// ends or stop is called. stop waits for Run.
func start(t *testing.T, cfg rpc.Config, add func(*rpc.Service)) (stop func()) {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = schemas.Orchestrator
	}
	if cfg.Log == nil {
		cfg.Log = localtest.Log(t)
	}
	cfg.Description = "a service under test"
	service := rpc.New(cfg)
	add(service)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	select {
	case <-service.Ready():
	case err := <-ended:
		cancel()
		require.NoError(t, err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

func connect(t *testing.T) *nats.Conn {
	t.Helper()
	return localtest.Connect(t, localtest.NATS(t))
}

// create answers pipelines.create like an orchestrator.
func create(_ context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
	return hodei.Pipeline{ID: hodei.PipelineID(uuid.Must(uuid.NewV7())), Name: req.Name, Description: req.Description}, nil
}

// TestAServiceWaitsForNATS: one that starts while the server is away is registered when
// the server is back, and one whose connection is closed fails.
func TestAServiceWaitsForNATS(t *testing.T) {
	t.Parallel()
	first, err := local.StartNATS(local.NATSConfig{StoreDir: t.TempDir(), Log: localtest.Log(t)})
	require.NoError(t, err)
	nc, err := rpc.Connect(first.URL(), "test", localtest.Log(t))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	away := nc.StatusChanged(nats.RECONNECTING)
	first.Shutdown()
	<-away
	waits := make(warning, 1)
	service := rpc.New(rpc.Config{NATS: nc, Name: schemas.Orchestrator, Log: slog.New(slog.NewTextHandler(waits, nil))})
	rpc.Handle(service, schemas.CreatePipeline, create)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(t.Context()) }()
	at, err := url.Parse(first.URL())
	require.NoError(t, err)
	port, err := strconv.Atoi(at.Port())
	require.NoError(t, err)
	select {
	case err := <-ended:
		require.NoError(t, err, "it must not end while it waits")
	case <-waits:
	}
	second, err := local.StartNATS(local.NATSConfig{StoreDir: t.TempDir(), Port: port, Log: localtest.Log(t)})
	require.NoError(t, err)
	t.Cleanup(second.Shutdown)
	<-service.Ready()
	_, err = rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.NoError(t, err)
	nc.Close()
	require.ErrorIs(t, <-ended, nats.ErrConnectionClosed)
}

// warning is a log whose lines with "not registered yet" can be awaited.
type warning chan struct{}

func (w warning) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "not registered yet") {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

func asked(t *testing.T, err error) *hodei.Error {
	t.Helper()
	var failed *hodei.Error
	require.ErrorAs(t, err, &failed)
	return failed
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, create) })
	words := "for the demo"
	got, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo", Description: &words})
	require.NoError(t, err)
	require.Equal(t, "demo", got.Name)
	require.Equal(t, &words, got.Description)
	require.False(t, got.ID.IsZero())
}

func TestPlainNATSRequestWorks(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, create) })
	answer, err := nc.Request("hodei.v1.pipelines.create", []byte(`{"name":"demo"}`), time.Minute)
	require.NoError(t, err)
	require.Empty(t, answer.Header.Get("Nats-Service-Error-Code"))
	require.Regexp(t, `^req_[0-9a-f-]{36}$`, answer.Header.Get(schemas.HeaderRequestID))
	var got hodei.Pipeline
	require.NoError(t, json.Unmarshal(answer.Data, &got))
	require.Equal(t, "demo", got.Name)
}

// TestARequestIsAnsweredAtAnInboxOnly: otherwise the reply would be a message of the service on
// a subject of the caller's choice.
func TestARequestIsAnsweredAtAnInboxOnly(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	var served atomic.Int64
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			served.Add(1)
			return create(ctx, req)
		})
	})
	replies, err := nc.SubscribeSync(">")
	require.NoError(t, err)
	const subject = "hodei.v1.pipelines.create"
	answered := func(reply string) bool {
		require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: []byte(`{"name":"demo"}`)}))
		for {
			msg, err := replies.NextMsg(200 * time.Millisecond)
			if err != nil {
				return false
			}
			if msg.Subject == reply {
				return true
			}
		}
	}
	for _, reply := range []string{"", "$JS.API.STREAM.DELETE.KV_WORKERS", "hodei.v1.schedules.pause_all", "execution.full", "_INBOX", "_INBOXES.x", "x._INBOX.y"} {
		require.False(t, answered(reply), reply)
	}
	require.Zero(t, served.Load(), "a request that cannot be answered was served")
	require.True(t, answered("_INBOX.worker.x.1"))
	require.EqualValues(t, 1, served.Load())
}

func TestErrorIsInHeadersAndBody(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.GetPipeline, func(_ context.Context, req schemas.GetPipelineRequest) (hodei.Pipeline, error) {
			return hodei.Pipeline{}, hodei.Missing("pipeline", string(req.ID))
		})
	})
	id := hodei.PipelineID(uuid.Must(uuid.NewV7()))
	msg := nats.NewMsg("hodei.v1.pipelines.get")
	msg.Data = []byte(`{"id":"` + id.String() + `"}`)
	msg.Header[schemas.HeaderRequestID] = []string{"from-the-test"}
	answer, err := nc.RequestMsg(msg, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "404", answer.Header.Get("Nats-Service-Error-Code"))
	require.Equal(t, "Pipeline not found", answer.Header.Get("Nats-Service-Error"))
	require.Equal(t, "from-the-test", answer.Header.Get(schemas.HeaderRequestID))
	var body map[string]any
	require.NoError(t, json.Unmarshal(answer.Data, &body))
	at, err := time.Parse(time.RFC3339, body["timestamp"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	delete(body, "timestamp")
	require.Equal(t, map[string]any{"error": "NOT_FOUND", "message": "Pipeline not found", "resource": "pipeline",
		"resource_id": id.String(), "request_id": "from-the-test"}, body)

	_, err = rpc.Call(t.Context(), nc, schemas.GetPipeline, schemas.GetPipelineRequest{ID: hodei.RefTo(id)})
	require.ErrorIs(t, err, hodei.NotFound)
	require.Equal(t, id.String(), asked(t, err).ResourceID)
}

func TestErrorHeaderStaysOnOneLine(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(context.Context, schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			return hodei.Pipeline{}, hodei.Errorf(hodei.Conflict, "one\r\nInjected: two")
		})
	})
	answer, err := nc.Request("hodei.v1.pipelines.create", []byte(`{"name":"demo"}`), time.Minute)
	require.NoError(t, err)
	require.Empty(t, answer.Header.Get("Injected"))
	require.Equal(t, "409", answer.Header.Get("Nats-Service-Error-Code"))
}

func TestRequestIDTravels(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	seen := make(chan string, 1)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(ctx context.Context, _ schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			seen <- rpc.RequestID(ctx)
			return hodei.Pipeline{}, hodei.Conflict
		})
	})
	ctx := rpc.WithRequestID(t.Context(), "mine-1")
	_, err := rpc.Call(ctx, nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.Equal(t, "mine-1", <-seen)
	require.Equal(t, "mine-1", asked(t, err).RequestID)

	for _, insane := range []string{"", "two words", "line\nbreak", strings.Repeat("x", 129)} {
		require.Regexp(t, `^req_`, rpc.RequestID(rpc.WithRequestID(t.Context(), insane)))
	}
	require.Empty(t, rpc.RequestID(t.Context()))
}

func TestReplyChoosesItsStatus(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	status := make(chan hodei.ExecutionStatus, 2)
	status <- hodei.Pending
	status <- hodei.Running
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.ExecuteJob, func(context.Context, schemas.ExecuteJobRequest) (rep schemas.StartedExecution, err error) {
			rep.Status = <-status
			return rep, nil
		})
	})
	body := []byte(`{"id":"` + uuid.NewString() + `"}`)
	for _, want := range []int{202, 200} {
		reply, err := rpc.Forward(t.Context(), nc, schemas.ExecuteJob.Op, schemas.ExecuteJob.Subject, body)
		require.NoError(t, err)
		require.Equal(t, want, reply.Status)
	}
}

func TestPanicRevealsNoDetails(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	var log strings.Builder
	stop := start(t, rpc.Config{NATS: nc, Log: slog.New(slog.NewTextHandler(&log, nil))}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(context.Context, schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			panic("password=hunter2")
		})
		rpc.Handle(s, schemas.GetPipeline, func(context.Context, schemas.GetPipelineRequest) (hodei.Pipeline, error) {
			return hodei.Pipeline{}, errors.New("password=hunter2")
		})
	})
	for subject, body := range map[string]string{
		"hodei.v1.pipelines.create": `{"name":"demo"}`, "hodei.v1.pipelines.get": `{"id":"` + uuid.NewString() + `"}`,
	} {
		answer, err := nc.Request(subject, []byte(body), time.Minute)
		require.NoError(t, err)
		require.Equal(t, "500", answer.Header.Get("Nats-Service-Error-Code"))
		require.NotContains(t, string(answer.Data)+answer.Header.Get("Nats-Service-Error"), "hunter2")
		require.Contains(t, string(answer.Data), "INTERNAL_ERROR")
	}
	stop()
	require.Equal(t, 2, strings.Count(log.String(), "level=ERROR"))
	require.Contains(t, log.String(), "rpc_test.go", "the log has the stack")
}

func TestReplyThatIsTooLargeIsAnError(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, rpc.Config{NATS: nc}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(context.Context, schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			return hodei.Pipeline{Name: strings.Repeat("x", 5<<20)}, nil
		})
	})
	_, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.ErrorIs(t, err, hodei.Internal)
}

func TestNoResponders(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	ctx := rpc.WithRequestID(t.Context(), "mine-2")
	_, err := rpc.CallWorker(ctx, nc, schemas.InterruptExecution, hodei.WorkerID{1}, schemas.InterruptRequest{})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.ErrorIs(t, err, nats.ErrNoResponders)
	require.Equal(t, "mine-2", asked(t, err).RequestID)

	_, err = rpc.Call(ctx, nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, "No orchestrator is running", asked(t, err).Message)
}

func TestRestartCausesNoErrors(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	add := func(s *rpc.Service) { rpc.Handle(s, schemas.CreatePipeline, create) }
	start(t, rpc.Config{NATS: nc}, add)()
	answer := make(chan error, 1)
	go func() {
		_, err := rpc.Call(context.Background(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
		answer <- err
	}()
	start(t, rpc.Config{NATS: nc}, add)
	require.NoError(t, <-answer)
}

func TestCallWorkerReachesThatWorker(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	for _, id := range []hodei.WorkerID{{1}, {2}} {
		start(t, rpc.Config{NATS: nc, Name: schemas.Worker}, func(s *rpc.Service) {
			rpc.HandleWorker(s, schemas.InterruptExecution, id, func(context.Context, schemas.InterruptRequest) (schemas.Empty, error) {
				return schemas.Empty{}, hodei.Missing("execution", id.String())
			})
		})
	}
	for _, id := range []hodei.WorkerID{{1}, {2}, {1}, {2}} {
		_, err := rpc.CallWorker(t.Context(), nc, schemas.InterruptExecution, id, schemas.InterruptRequest{})
		require.Equal(t, id.String(), asked(t, err).ResourceID)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	srv := localtest.NATS(t)
	nc, err := rpc.Connect(srv.URL(), "test", localtest.Log(t))
	require.NoError(t, err)
	defer nc.Close()
	gone := nc.StatusChanged(nats.RECONNECTING)
	srv.Shutdown()
	<-gone
	_, err = rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "demo"})
	require.ErrorIs(t, err, hodei.Unavailable)
	_, err = rpc.Connect(srv.URL(), "test", localtest.Log(t))
	require.ErrorContains(t, err, "connect to NATS at "+srv.URL())
}
