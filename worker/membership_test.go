package worker

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t))
	for want, cfg := range map[string]Config{
		"worker: a NATS connection is required": {Type: "shell", Slots: 1, StateDir: "x"},
		"worker: a type is required":            {NATS: nc, Slots: 1, StateDir: "x"},
		"worker: 0 slots: at least 1 required":  {NATS: nc, Type: "shell", StateDir: "x"},
		"worker: a state directory is required": {NATS: nc, Type: "shell", Slots: 1},
	} {
		_, err := New(cfg)
		require.EqualError(t, err, want)
	}
}

func TestDrainTakesNothingNewAndFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	id := f.run(f.request("cat < " + gate + "; seq 5000"))
	f.drain()
	f.availability("draining", func(a hodei.Availability) bool { return a.Status == hodei.WorkerDraining })
	refused := f.ask(f.request("true"))
	require.Equal(t, schemas.RefusedDraining, *refused.Refused)
	open(t, gate)
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Len(t, lines, 5000)
	require.NoError(t, receive(t, f.done, "drained"))
	require.Equal(t, []schemas.LeaveRequest{{WorkerID: f.ID(), Incarnation: f.incarnation}}, f.manager.departures())

	bucket, err := kv.OpenWorkers(t.Context(), f.js)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, bucket.Watch(ctx, func(u kv.Update) {
		require.Nil(t, u.Availability, "its key is deleted")
		if u.Synced {
			cancel()
		}
	}))
	_, err = rpc.CallWorker(t.Context(), f.nc, schemas.RequestExecutions, f.ID(), schemas.OfferRequest{Offers: []schemas.ExecutionRequest{f.request("true")}})
	require.ErrorIs(t, err, hodei.Unavailable)
}

func TestTerminateKillsWhatRunsAndReportsIt(t *testing.T) {
	t.Parallel()
	for _, drained := range []bool{false, true} {
		f := start(t)
		id := f.run(f.request(`trap "" TERM; echo child $$; while :; do sleep 0.05; done`))
		f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
		if drained {
			f.drain()
		}
		f.Terminate()
		f.Terminate()
		require.NoError(t, receive(t, f.done, "terminated"))
		end, lines := f.end(id)
		require.Equal(t, hodei.Failed, end.Status)
		require.Equal(t, hodei.ReasonWorkerTerminated, *end.Reason)
		require.Equal(t, "SIGKILL", *end.Signal)
		requireGone(t, childIn(t, lines))
		require.Len(t, f.manager.departures(), 1)
	}
}

func TestTerminateBeforeRun(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t))
	w, err := New(Config{NATS: nc, Type: "shell", Slots: 1, StateDir: t.TempDir()})
	require.NoError(t, err)
	w.Terminate()
	require.NoError(t, w.Run(t.Context()))
}

func TestAWorkerWaitsForTheServices(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	own, err := rpc.Connect(nc.Opts.Servers[0], "worker", localtest.Log(t))
	require.NoError(t, err)
	defer own.Close()
	w, err := New(Config{NATS: own, Type: "shell", Slots: 1, StateDir: t.TempDir(), Log: localtest.Log(t)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	asked, err := nc.SubscribeSync(schemas.JoinWorker.Filter()) // as if Postgres was unavailable
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	go func() { done <- w.Run(ctx) }()
	msg, err := asked.NextMsgWithContext(t.Context())
	require.NoError(t, err)
	require.NoError(t, asked.Unsubscribe())
	refusal := nats.NewMsg(msg.Reply)
	refusal.Header.Set(micro.ErrorCodeHeader, "503")
	require.NoError(t, nc.PublishMsg(refusal))
	f := &fleet{Worker: w, t: t, nc: nc, js: js, manager: newManager(t, nc)}
	receive(t, w.Ready(), "ready")
	f.outcome(f.request("true"))
	cancel()
	require.NoError(t, receive(t, done, "drained"))
}

func TestAWorkerKeepsItsIDAndEmptiesItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(c *Config) { c.StateDir, c.Name, c.Version = dir, "one", "1.2.3" }
	f := start(t, at)
	id, incarnation := f.ID(), f.incarnation

	second, err := New(f.cfg)
	require.NoError(t, err)
	require.ErrorContains(t, second.Run(t.Context()), "in use by another worker; give this one its own with --state-dir")

	f.drain()
	require.NoError(t, receive(t, f.done, "drained"))
	for _, left := range []string{"work/x/y", "spool/z"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, left), 0o700))
	}
	f.launch(at)
	require.Equal(t, id, f.ID())
	require.NotEqual(t, incarnation, f.incarnation)
	require.NoDirExists(t, filepath.Join(dir, "work/x"))
	require.NoDirExists(t, filepath.Join(dir, "spool/z"))
	require.Equal(t, "one", *f.manager.registered[1].Name)
	require.Equal(t, "1.2.3", *f.manager.registered[1].Version)
	require.Equal(t, id, *f.manager.registered[1].ID)
	f.drain()
	require.NoError(t, receive(t, f.done, "drained"))

	f.launch(at, func(c *Config) { c.Fresh = true })
	require.NotEqual(t, id, f.ID())
	require.Equal(t, f.ID(), *f.manager.registered[2].ID)
}
