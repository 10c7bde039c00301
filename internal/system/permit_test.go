package system_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/access"
)

// guarded is a NATS where each program has a user with its own permissions. Connections
// without a key, those of tests, may do everything.
type guarded struct {
	*local.NATS
	t       *testing.T
	keys    map[string]nkeys.KeyPair // by the name of the user
	workers []hodei.WorkerID
	given   int // of the workers

	mu      sync.Mutex
	refused []string
}

// secured starts it for a system with so many workers, to which NATS refuses nothing.
func secured(t *testing.T, workers int) *guarded {
	t.Helper()
	g := guard(t, workers, nil)
	t.Cleanup(func() { require.Empty(t, g.violations()) })
	return g
}

// guard starts it; change may alter the users.
func guard(t *testing.T, workers int, change func([]permit.User)) *guarded {
	t.Helper()
	g := &guarded{t: t, keys: map[string]nkeys.KeyPair{}}
	var users []permit.User
	for _, name := range permit.Programs {
		users = append(users, permit.ProgramUser(name))
	}
	for range workers {
		id := hodei.WorkerID(uuid.Must(uuid.NewV7()))
		g.workers = append(g.workers, id)
		users = append(users, permit.WorkerUser(id))
	}
	for i, u := range users {
		key, err := nkeys.CreateUser()
		require.NoError(t, err)
		users[i].NKey, err = key.PublicKey()
		require.NoError(t, err)
		g.keys[u.Name] = key
	}
	if change != nil {
		change(users)
	}
	test := permit.User{Name: "test", Password: "of no program", Unrestricted: true}
	conf := permit.Conf(append(users, test)) + "no_auth_user: test\n"
	var err error
	g.NATS, err = local.StartNATS(local.NATSConfig{StoreDir: t.TempDir(), Log: localtest.Log(t), Conf: conf})
	require.NoError(t, err)
	t.Cleanup(g.Shutdown)
	return g
}

// connect connects with the user that the name of the connection stands for.
func (g *guarded) connect(name string) (*nats.Conn, error) {
	user := name[strings.LastIndex(name, " ")+1:]
	key := g.keys[user]
	if key == nil {
		return nil, errors.New("no user for " + name)
	}
	public, err := key.PublicKey()
	if err != nil {
		return nil, err
	}
	return g.NATS.Connect(name, slog.New(slog.DiscardHandler), nats.Nkey(public, key.Sign),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.refused = append(g.refused, user+": "+err.Error())
			}
		}))
}

// worker returns the id of a worker that no system has yet.
func (g *guarded) worker() *hodei.WorkerID {
	g.given++
	return &g.workers[g.given-1]
}

// violations are the refusals since the last call.
func (g *guarded) violations() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { g.refused = nil }()
	return g.refused
}

// as connects as a user, for an attack.
func (g *guarded) as(user string) *nats.Conn {
	g.t.Helper()
	nc, err := g.connect("hodei " + user)
	require.NoError(g.t, err)
	g.t.Cleanup(nc.Close)
	return nc
}

// TestPermissionsSuffice runs every part of the system with its own permissions, through
// work, logs, events, runs, a cancellation and the commands of workers. Nothing is refused.
func TestPermissionsSuffice(t *testing.T) {
	t.Parallel()
	g := secured(t, 2)
	cfg := config(t, g, 2)
	cfg.Access, cfg.Edge.Auth = &access.Config{}, true
	addrs, stop := run(t, cfg)
	db, err := postgres.Open(t.Context(), cfg.DatabaseURL, 1)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	token, err := access.NewToken(t.Context(), db, hodei.Token{Name: "test", Role: hodei.Admin})
	require.NoError(t, err)
	exercise(t, client.HTTP("http://"+addrs[0], client.WithToken(token.Text)), g.workers)
	requireKept(t, g)
	require.NoError(t, stop())
}

// TestStartWithoutAPermission: a role that NATS refuses something ends with the reason.
func TestStartWithoutAPermission(t *testing.T) {
	t.Parallel()
	for what, remove := range map[string]string{
		schemas.Orchestrator:  schemas.RunSubject,
		schemas.Scheduler:     "$JS.API.STREAM.INFO." + schemas.WorkersStream,
		schemas.WorkerManager: "$JS.API.STREAM.CREATE." + schemas.LogStream,
		schemas.Edge:          schemas.AccessSubject,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 0, func(users []permit.User) {
				for i, u := range users {
					if u.Name == what {
						users[i].Publish, users[i].Subscribe = without(u.Publish, remove), without(u.Subscribe, remove)
					}
				}
			})
			cfg := config(t, g, 0)
			if what == schemas.Edge {
				cfg.Edge.Auth = true
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := system.Run(ctx, cfg, func(*system.System) {})
			require.NoError(t, ctx.Err(), "it ends by itself")
			require.ErrorIs(t, err, nats.ErrPermissionViolation)
			require.ErrorContains(t, err, "hodei "+what+": NATS denies a permission")
			require.ErrorContains(t, err, remove)
		})
	}
}

// TestAHostileReplyEndsNoStart: NATS denies replies to the subjects that a hostile client names
// in its requests while the system starts.
func TestAHostileReplyEndsNoStart(t *testing.T) {
	t.Parallel()
	g := guard(t, 1, nil)
	cfg := config(t, g, 1)
	nc, err := g.NATS.Connect("hostile", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	ctx, cancel := context.WithCancel(t.Context())
	var attack sync.WaitGroup
	attack.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			for _, reply := range []string{"nowhere", schemas.Root + "schedules.pause_all"} {
				_ = nc.PublishRequest("$SRV.PING", reply, nil)
			}
		}
	})
	t.Cleanup(attack.Wait)
	t.Cleanup(cancel)
	_, stop := run(t, cfg)
	require.NotEmpty(t, g.violations(), "a reply was denied")
	require.NoError(t, stop())
}

func without(list []string, subject string) (rest []string) {
	for _, s := range list {
		if s != subject {
			rest = append(rest, s)
		}
	}
	return rest
}

// requireKept waits until the worker manager has examined the streams, which it does from
// time to time.
func requireKept(t *testing.T, g *guarded) {
	js, err := jetstream.New(g.as(schemas.WorkerManager))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stream, err := js.Stream(t.Context(), schemas.ProbeStream)
		return err == nil && stream.CachedInfo().State.LastSeq > 0
	}, time.Minute, 50*time.Millisecond)
}

// exercise uses every kind of subject: work, logs, events, runs and commands of workers.
func exercise(t *testing.T, c *client.Client, workers []hodei.WorkerID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	events, stopEvents := context.WithCancel(ctx)
	seen := make(chan string, 1000)
	following := make(chan error, 1)
	go func() {
		_, err := c.FollowEvents(events, schemas.FollowEventsRequest{Follow: true}, func(e schemas.FeedEvent) error {
			if e.Execution != nil {
				seen <- e.Execution.Type
			}
			return nil
		})
		following <- err
	}()
	pipeline, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "permitted"})
	require.NoError(t, err)
	job, err := c.CreateJob(ctx, schemas.CreateJobRequest{
		PipelineID: hodei.RefTo(pipeline.ID), RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: "echo one; echo two"}},
	})
	require.NoError(t, err)
	started, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID})
	require.NoError(t, err)
	var lines []string
	for line, err := range c.Logs(ctx, schemas.FollowLogsRequest{ID: hodei.RefTo(started.ExecutionID), Follow: true}) {
		require.NoError(t, err)
		lines = append(lines, line.Line)
	}
	require.Equal(t, []string{"one", "two"}, lines)
	run, err := c.ExecutePipeline(ctx, schemas.ExecutePipelineRequest{ID: hodei.RefTo(pipeline.ID)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, err := c.GetRun(ctx, schemas.GetRunRequest{ID: hodei.RunRef(run.ID.String())})
		return err == nil && found.Status == hodei.RunCompleted
	}, time.Minute, 10*time.Millisecond)
	exerciseFiles(ctx, t, c)

	long, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: "sleep 600"}}})
	require.NoError(t, err)
	id := long.ID
	require.Eventually(t, func() bool {
		e, err := c.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(id)})
		return err == nil && e.Status == hodei.Running
	}, time.Minute, 10*time.Millisecond)
	_, err = c.CancelExecution(ctx, schemas.CancelExecutionRequest{ID: hodei.RefTo(id)})
	require.NoError(t, err)
	e, err := c.Wait(ctx, id)
	require.NoError(t, err)
	require.Equal(t, hodei.Cancelled, e.Status)
	_, err = c.DeleteExecution(ctx, schemas.DeleteExecutionRequest{ID: hodei.RefTo(id)})
	require.NoError(t, err)
	for _, w := range workers {
		_, err = c.CordonWorker(ctx, schemas.CordonWorkerRequest{ID: w})
		require.NoError(t, err)
		_, err = c.UncordonWorker(ctx, schemas.UncordonWorkerRequest{ID: w})
		require.NoError(t, err)
	}
	_, err = c.ListTokens(ctx, schemas.ListTokensRequest{})
	require.NoError(t, err)
	kinds := map[string]bool{}
	require.Eventually(t, func() bool {
		for len(seen) > 0 {
			kinds[<-seen] = true
		}
		return kinds[schemas.EventCompleted] && kinds[schemas.EventCancelled]
	}, time.Minute, 10*time.Millisecond)
	stopEvents()
	<-following
}

// exerciseFiles has jobs leave and receive an artifact and a cache.
func exerciseFiles(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.ApplyPipeline(ctx, schemas.ApplyPipelineRequest{Slug: "filed", Document: `
slug: filed
jobs:
  make: { command: touch f, artifacts: [ { name: f, paths: [f] } ], caches: [ { key: "${{ run.number }}", restore: [""], paths: [f] } ] }
  take: { needs: [make], command: test -f f }
`})
	require.NoError(t, err)
	for range 2 {
		run, err := c.ExecutePipeline(ctx, schemas.ExecutePipelineRequest{ID: "filed"})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			found, err := c.GetRun(ctx, schemas.GetRunRequest{ID: hodei.RefTo(run.ID)})
			return err == nil && found.Status == hodei.RunCompleted
		}, time.Minute, 10*time.Millisecond)
	}
	list, err := c.ListCaches(ctx, schemas.ListCachesRequest{ID: "filed"})
	require.NoError(t, err)
	require.Len(t, list.Items, 2)
}
