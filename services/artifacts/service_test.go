package artifacts_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// bench is a service, and a worker that holds an execution.
type bench struct {
	t    *testing.T
	srv  *local.NATS
	db   *postgres.DB
	nc   *nats.Conn
	cfg  artifacts.Config
	svc  *artifacts.Service
	kill func()
	on   schemas.OnWorker
}

// newBench starts a service, with a directory unless the configuration has a store.
func newBench(t *testing.T, cfg artifacts.Config) *bench {
	t.Helper()
	b := &bench{t: t, srv: localtest.NATS(t), cfg: cfg}
	b.nc = localtest.Connect(t, b.srv)
	t.Cleanup(b.nc.Close)
	var err error
	b.db, err = postgres.Open(t.Context(), localtest.Migrated(t, postgres.Migrate), 4)
	require.NoError(t, err)
	t.Cleanup(b.db.Close)
	if b.cfg.Store == nil {
		store, err := blob.OpenDir(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { store.Close() })
		b.cfg.Store = store
	}
	b.svc, b.kill = b.instance(b.cfg.Store)
	b.on = b.running()
	return b
}

// instance starts an instance of the service. Kill cuts its connection, so that nothing it
// has begun is answered, and stops it.
func (b *bench) instance(store blob.Store) (svc *artifacts.Service, kill func()) {
	b.t.Helper()
	cfg := b.cfg
	cfg.NATS, cfg.DB, cfg.Log, cfg.Store = localtest.Connect(b.t, b.srv), b.db, localtest.Log(b.t), store
	svc = artifacts.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	<-svc.Ready()
	var killed bool
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !killed {
			require.NoError(b.t, err)
		}
		cfg.NATS.Close()
	})
	b.t.Cleanup(stop)
	return svc, func() {
		killed = true
		cfg.NATS.Close()
		stop()
	}
}

// running is an execution on a worker of its own.
func (b *bench) running() schemas.OnWorker {
	b.t.Helper()
	on := schemas.OnWorker{WorkerID: postgres.NewID[hodei.WorkerID](), ExecutionID: postgres.NewID[hodei.ExecutionID]()}
	_, err := b.db.StartExecution(b.t.Context(), hodei.Execution{ID: on.ExecutionID, Spec: hodei.Spec{Command: hodei.Command{Shell: "true"}}}, on.WorkerID, "shell", "i")
	require.NoError(b.t, err)
	return on
}

// end ends an execution.
func (b *bench) end(on schemas.OnWorker) {
	b.t.Helper()
	_, whole, err := b.db.FinishExecution(b.t.Context(), on.ExecutionID, on.WorkerID, hodei.Outcome{Status: hodei.Failed, CompletedAt: time.Now()})
	require.NoError(b.t, err)
	require.True(b.t, whole)
}

func blobOf(data []byte) hodei.Blob {
	return hodei.Blob{SHA256: hodei.DigestOf(sha256.Sum256(data)), Size: int64(len(data))}
}

// put uploads as a worker does.
func (b *bench) put(on schemas.OnWorker, data []byte) error {
	return transfer.Put(b.t.Context(), b.wire(on), blobOf(data), bytes.NewReader(data))
}

// wire are the requests of a worker.
func (b *bench) wire(on schemas.OnWorker) transfer.Wire {
	return transfer.Wire{
		Begin: func(ctx context.Context, of hodei.Blob) (schemas.Upload, error) {
			return rpc.Call(ctx, b.nc, schemas.BeginBlob, schemas.BeginBlobRequest{OnWorker: on, Blob: of})
		},
		Write: func(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error {
			ctx, cancel := context.WithTimeout(ctx, impatience)
			defer cancel()
			_, err := rpc.Call(ctx, b.nc, schemas.WriteBlob, schemas.WriteBlobRequest{OnWorker: on, ID: id, Offset: offset, Attached: schemas.Attached{Data: data}})
			return err
		},
		Commit: func(ctx context.Context, id hodei.BlobID) error {
			_, err := rpc.Call(ctx, b.nc, schemas.CommitBlob, schemas.CommitBlobRequest{OnWorker: on, ID: id})
			return err
		},
	}
}

func (b *bench) keep(on schemas.OnWorker, name string, data []byte, keep *float64) ([]hodei.Artifact, error) {
	kept, err := rpc.Call(b.t.Context(), b.nc, schemas.KeepArtifacts, schemas.KeepArtifactsRequest{
		OnWorker: on, Artifacts: []schemas.NewArtifact{{Name: name, Blob: blobOf(data), Files: 1, KeepSeconds: keep}},
	})
	return kept.Artifacts, err
}

// TestAWorkerActsForItsExecutions: no request for an execution has an effect unless it runs
// on the worker, and none reads what the execution does not receive.
func TestAWorkerActsForItsExecutions(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{})
	data := bytes.Repeat([]byte("content "), 100_000)
	other := b.running()
	thief := schemas.OnWorker{WorkerID: other.WorkerID, ExecutionID: b.on.ExecutionID}
	require.ErrorIs(t, b.put(thief, data), hodei.Conflict)
	up, err := rpc.Call(t.Context(), b.nc, schemas.BeginBlob, schemas.BeginBlobRequest{OnWorker: b.on, Blob: blobOf(data)})
	require.NoError(t, err)
	for _, on := range []schemas.OnWorker{thief, other} {
		_, err = rpc.Call(t.Context(), b.nc, schemas.WriteBlob, schemas.WriteBlobRequest{OnWorker: on, ID: up.ID, Attached: schemas.Attached{Data: []byte("x")}})
		require.Error(t, err, "an upload has one writer")
		_, err = rpc.Call(t.Context(), b.nc, schemas.CommitBlob, schemas.CommitBlobRequest{OnWorker: on, ID: up.ID})
		require.Error(t, err)
	}
	_, err = rpc.Call(t.Context(), b.nc, schemas.WriteBlob, schemas.WriteBlobRequest{OnWorker: b.on, ID: up.ID, Offset: int64(len(data)), Attached: schemas.Attached{Data: []byte("x")}})
	require.ErrorIs(t, err, hodei.Invalid, "beyond its size")
	_, err = b.keep(b.on, "early", data, nil)
	require.ErrorIs(t, err, hodei.NotFound, "content that has not arrived is no artifact")
	require.NoError(t, b.put(b.on, data))
	_, err = b.keep(thief, "stolen", data, nil)
	require.ErrorIs(t, err, hodei.Conflict)
	kept, err := b.keep(b.on, "mine", data, nil)
	require.NoError(t, err)
	again, err := b.keep(b.on, "mine", data, nil)
	require.NoError(t, err)
	require.Equal(t, kept, again, "a repeat changes nothing")
	_, err = rpc.Call(t.Context(), b.nc, schemas.ReadBlob, schemas.ReadBlobRequest{OnWorker: other, SHA256: blobOf(data).SHA256})
	require.ErrorIs(t, err, hodei.NotFound, "it does not receive that")
	chunk, err := rpc.Call(t.Context(), b.nc, schemas.ReadArtifact, schemas.ReadArtifactRequest{ID: kept[0].ID, Offset: 16})
	require.NoError(t, err)
	require.Equal(t, data[16:16+schemas.ChunkBytes], chunk.Data)
}

// TestTheQuotaIsNamed: what does not fit is refused, with the way out; equal content fits
// always.
func TestTheQuotaIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{Quota: 1000})
	require.NoError(t, b.put(b.on, bytes.Repeat([]byte("a"), 900)))
	require.NoError(t, b.put(b.running(), bytes.Repeat([]byte("a"), 900)))
	err := b.put(b.on, bytes.Repeat([]byte("b"), 200))
	require.ErrorIs(t, err, hodei.Rejected)
	require.ErrorContains(t, err, "--artifact-quota")
}

// TestCollection: content goes once nothing refers to it, and not before; an artifact goes
// when its time is over.
func TestCollection(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{Grace: time.Nanosecond})
	one, two := []byte("one"), []byte("two")
	ids := map[string]hodei.BlobID{}
	for _, data := range [][]byte{one, two} {
		require.NoError(t, b.put(b.on, data))
		id, _, err := b.db.FindBlob(t.Context(), blobOf(data).SHA256)
		require.NoError(t, err)
		ids[string(data)] = id
	}
	kept, err := b.keep(b.on, "one", one, nil)
	require.NoError(t, err)
	b.end(b.on)
	on := b.running()
	there := func(id hodei.BlobID) bool {
		_, err := b.cfg.Store.Read(t.Context(), id, 0, make([]byte, 1))
		return err == nil
	}
	gone := func(data []byte) {
		t.Helper()
		require.NoError(t, b.svc.Collect(t.Context()))
		require.Eventually(t, func() bool { return !there(ids[string(data)]) }, time.Minute, 5*time.Millisecond)
	}
	gone(two)
	require.True(t, there(ids["one"]), "an artifact refers to it")
	require.NoError(t, b.put(on, two), "the same content may come again")
	_, err = b.keep(on, "two", two, new(0.2))
	require.NoError(t, err)
	b.end(on)
	require.Eventually(t, func() bool {
		_, err := rpc.Call(t.Context(), b.nc, schemas.DeleteArtifact, schemas.DeleteArtifactRequest{ID: kept[0].ID})
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	gone(one)
	id, _, err := b.db.FindBlob(t.Context(), blobOf(two).SHA256)
	if err == nil { // its time is not over yet
		ids["two"] = id
		require.Eventually(t, func() bool { return b.svc.Collect(t.Context()) == nil && !there(id) }, time.Minute, 5*time.Millisecond)
	}
}

// TestContentOfARunningExecutionStays: its artifacts are recorded together, after the last
// upload, which may take longer than the grace.
func TestContentOfARunningExecutionStays(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{Grace: time.Nanosecond})
	ended := b.running()
	for _, data := range []string{"of both", "abandoned"} {
		require.NoError(t, b.put(ended, []byte(data)))
	}
	for _, data := range []string{"own", "of both"} {
		require.NoError(t, b.put(b.on, []byte(data)))
	}
	b.end(ended)
	require.NoError(t, b.svc.Collect(t.Context()))
	_, _, err := b.db.FindBlob(t.Context(), blobOf([]byte("abandoned")).SHA256)
	require.ErrorIs(t, err, hodei.NotFound, "its execution has ended without an artifact")
	for _, data := range []string{"own", "of both"} {
		_, err = b.keep(b.on, data, []byte(data), nil)
		require.NoError(t, err)
	}
}

// stuckStore cannot delete one of its blobs.
type stuckStore struct {
	blob.Store
	stuck atomic.Pointer[hodei.BlobID]
}

func (s *stuckStore) Delete(ctx context.Context, id hodei.BlobID) error {
	if stuck := s.stuck.Load(); stuck != nil && *stuck == id {
		return errors.New("stuck")
	}
	return s.Store.Delete(ctx, id)
}

// TestABlobThatCannotBeDeletedDelaysNoOther: the others are deleted meanwhile, and that one
// once the store deletes it.
func TestABlobThatCannotBeDeletedDelaysNoOther(t *testing.T) {
	t.Parallel()
	dir, err := blob.OpenDir(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	store := &stuckStore{Store: dir}
	b := newBench(t, artifacts.Config{Grace: time.Nanosecond, Store: store})
	on := b.running()
	var ids []hodei.BlobID
	for _, data := range []string{"one", "two", "three"} { // the first has the lowest id
		require.NoError(t, b.put(on, []byte(data)))
		id, _, err := b.db.FindBlob(t.Context(), blobOf([]byte(data)).SHA256)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	store.stuck.Store(&ids[0])
	b.end(on)
	require.NoError(t, b.svc.Collect(t.Context()))
	gone := func(id hodei.BlobID) func() bool {
		return func() bool {
			_, err := dir.Read(t.Context(), id, 0, make([]byte, 1))
			return err != nil
		}
	}
	require.Eventually(t, gone(ids[1]), 20*time.Second, 5*time.Millisecond)
	require.Eventually(t, gone(ids[2]), 20*time.Second, 5*time.Millisecond)
	require.False(t, gone(ids[0])())
	store.stuck.Store(nil)
	require.Eventually(t, gone(ids[0]), 20*time.Second, 5*time.Millisecond)
}
