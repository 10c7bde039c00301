package artifacts_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
)

// inPipeline is an execution of a pipeline on a worker of its own.
func (b *bench) inPipeline(id hodei.PipelineID) schemas.OnWorker {
	b.t.Helper()
	return b.started(hodei.Execution{PipelineID: &id})
}

// started starts an execution on a worker of its own.
func (b *bench) started(draft hodei.Execution) schemas.OnWorker {
	b.t.Helper()
	on := schemas.OnWorker{WorkerID: postgres.NewID[hodei.WorkerID](), ExecutionID: postgres.NewID[hodei.ExecutionID]()}
	draft.ID, draft.Spec = on.ExecutionID, hodei.Spec{Command: hodei.Command{Shell: "true"}}
	_, err := b.db.StartExecution(b.t.Context(), draft, on.WorkerID, "shell", "i")
	require.NoError(b.t, err)
	return on
}

// run creates a run without jobs that saves caches in the scope.
func (b *bench) run(id hodei.PipelineID, scope string) hodei.Run {
	b.t.Helper()
	a, err := b.db.CreateRun(b.t.Context(), hodei.Run{PipelineID: id, Params: map[string]string{}, Definition: hodei.DefinitionApplied},
		func(r *hodei.Run, _ hodei.Settings, _ []hodei.Job) error {
			r.Plan.CacheScope = scope
			return nil
		}, func(*hodei.Run, []hodei.Execution, time.Time) postgres.Steps { return postgres.Steps{} }, func(context.Context, []hodei.Execution) {})
	require.NoError(b.t, err)
	return a.Run
}

func (b *bench) pipeline() hodei.PipelineID {
	b.t.Helper()
	p, err := b.db.CreatePipeline(b.t.Context(), hodei.Pipeline{Name: "p"})
	require.NoError(b.t, err)
	return p.ID
}

var cached = []string{"~/.cache"}

// save uploads and records a cache as a worker does.
func (b *bench) save(on schemas.OnWorker, key string, data []byte) (bool, error) {
	record := func() (schemas.SavedCache, error) {
		return rpc.Call(b.t.Context(), b.nc, schemas.SaveCache, schemas.SaveCacheRequest{OnWorker: on, Blob: blobOf(data), Key: key, Paths: cached, Files: 1})
	}
	saved, err := record()
	if hodei.AsError(err).Code == hodei.NotFound {
		if err = b.put(on, data); err == nil {
			saved, err = record()
		}
	}
	return saved.Saved, err
}

// find returns the key of the cache that is found, "" for none.
func (b *bench) find(on schemas.OnWorker, key string, restore ...string) string {
	b.t.Helper()
	found, err := rpc.Call(b.t.Context(), b.nc, schemas.FindCache, schemas.FindCacheRequest{OnWorker: on, Key: key, Restore: restore, Paths: cached})
	require.NoError(b.t, err)
	if found.Cache == nil {
		return ""
	}
	return found.Cache.Key
}

func (b *bench) read(on schemas.OnWorker, data []byte) error {
	_, err := rpc.Call(b.t.Context(), b.nc, schemas.ReadBlob, schemas.ReadBlobRequest{OnWorker: on, SHA256: blobOf(data).SHA256})
	return err
}

// TestCachesBelongToAPipeline: the exact key goes first, then the newest of the first prefix,
// and neither another pipeline nor a worker without an execution of this one reads any.
func TestCachesBelongToAPipeline(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{})
	mine, other := b.pipeline(), b.pipeline()
	on := b.inPipeline(mine)
	for _, key := range []string{"go-1", "go-2", "GO-3", "go_4"} {
		saved, err := b.save(on, key, []byte(key))
		require.NoError(t, err)
		require.True(t, saved)
	}
	saved, err := b.save(b.inPipeline(mine), "go-1", []byte("something else"))
	require.NoError(t, err)
	require.False(t, saved, "a cache does not change")
	require.ErrorIs(t, b.read(on, []byte("something else")), hodei.NotFound, "the content was not asked for")
	second := b.inPipeline(mine)
	require.Equal(t, "go-1", b.find(second, "go-1", "go-"))
	require.Equal(t, "go-2", b.find(second, "go-", "go-"), "the newest")
	require.Equal(t, "GO-3", b.find(second, "no", "nothing", "GO", "go-"), "the first prefix that some cache has")
	require.Equal(t, "", b.find(second, "no", "o-", "%", "go-1x"))
	require.NoError(t, b.read(second, []byte("go-1")))
	found, err := rpc.Call(t.Context(), b.nc, schemas.FindCache, schemas.FindCacheRequest{OnWorker: second, Key: "go-1", Paths: []string{"~/.cache", "x"}})
	require.NoError(t, err)
	require.Nil(t, found.Cache, "other paths are another cache")

	stranger := b.inPipeline(other)
	require.Equal(t, "", b.find(stranger, "go-1", "go-", ""))
	require.ErrorIs(t, b.read(stranger, []byte("go-1")), hodei.NotFound)
	require.ErrorIs(t, b.read(b.on, []byte("go-1")), hodei.NotFound)
	thief := schemas.OnWorker{WorkerID: stranger.WorkerID, ExecutionID: second.ExecutionID}
	require.ErrorIs(t, b.read(thief, []byte("go-1")), hodei.Conflict)
	_, err = b.save(thief, "stolen", []byte("x"))
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = rpc.Call(t.Context(), b.nc, schemas.FindCache, schemas.FindCacheRequest{OnWorker: thief, Key: "go-1", Paths: cached})
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = b.save(b.on, "k", []byte("x"))
	require.ErrorContains(t, err, "no pipeline")
}

// TestConcurrentSavesOfOneKey: one of them is the cache, and none fails.
func TestConcurrentSavesOfOneKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{})
	mine := b.pipeline()
	var wait sync.WaitGroup
	var mu sync.Mutex
	won := map[string]bool{}
	for i := range 8 {
		on := b.inPipeline(mine)
		wait.Go(func() {
			data := fmt.Sprint("content ", i/2) // some are equal
			saved, err := b.save(on, "k", []byte(data))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || saved {
				won[fmt.Sprint(data, err)] = saved
			}
		})
	}
	wait.Wait()
	require.Len(t, won, 1, "%v", won)
	list, err := rpc.Call(t.Context(), b.nc, schemas.ListCaches, schemas.ListCachesRequest{ID: hodei.RefTo(mine)})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	for who := range won {
		require.Equal(t, blobOf([]byte(who[:len("content 0")])).SHA256, list.Items[0].SHA256)
	}
}

// TestEviction: beyond the limit the least recently used caches go, and their content with
// them; one that nothing uses goes by its age.
func TestEviction(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{Grace: time.Nanosecond, CacheLimit: 3000})
	mine := b.pipeline()
	earlier, on := b.inPipeline(mine), b.inPipeline(mine)
	content := func(key string) []byte { return bytes.Repeat([]byte(key), 900) }
	ids := map[string]hodei.BlobID{}
	for _, key := range []string{"a", "b", "c"} {
		_, err := b.save(earlier, key, content(key))
		require.NoError(t, err)
		ids[key], _, err = b.db.FindBlob(t.Context(), blobOf(content(key)).SHA256)
		require.NoError(t, err)
	}
	b.end(earlier)
	there := func(key string) bool {
		_, err := b.cfg.Store.Read(t.Context(), ids[key], 0, make([]byte, 1))
		return err == nil
	}
	require.NoError(t, b.svc.Collect(t.Context()))
	require.True(t, there("a") && there("b") && there("c"), "caches refer to them")
	require.Equal(t, "a", b.find(on, "a"))
	_, err := b.save(on, "d", content("d"))
	require.NoError(t, err)
	require.Equal(t, "", b.find(on, "b"), "the least recently used one")
	for _, key := range []string{"a", "c", "d"} {
		require.Equal(t, key, b.find(on, key))
	}
	require.NoError(t, b.svc.Collect(t.Context()))
	require.Eventually(t, func() bool { return !there("b") }, time.Minute, 5*time.Millisecond)
	require.True(t, there("a"))
	_, err = b.save(on, "e", bytes.Repeat([]byte("e"), 3001))
	require.ErrorContains(t, err, "--cache-limit")
	require.Equal(t, "a", b.find(on, "a"), "it makes no room for what does not fit")

	evicted, err := b.db.EvictCaches(t.Context(), 0, time.Hour)
	require.NoError(t, err)
	require.Zero(t, evicted)
	evicted, err = b.db.EvictCaches(t.Context(), 0, time.Microsecond)
	require.NoError(t, err)
	require.Equal(t, 3, evicted)
}

// TestARetryKeepsTheScopeOfItsRun: a retry of an execution of a fork's run has no run, and its
// caches stay those of the pull request, as do those of a retry of the retry.
func TestARetryKeepsTheScopeOfItsRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{})
	pipeline := b.pipeline()
	fork := b.run(pipeline, "pull/7")
	first := b.started(hodei.Execution{PipelineID: &pipeline, RunID: &fork.ID, RunNumber: &fork.Number, JobKey: new("build")})
	retry := b.started(hodei.Execution{PipelineID: &pipeline, RetryOf: &first.ExecutionID})
	again := b.started(hodei.Execution{PipelineID: &pipeline, RetryOf: &retry.ExecutionID})
	gone := b.started(hodei.Execution{PipelineID: &pipeline, RetryOf: new(postgres.NewID[hodei.ExecutionID]())})
	for key, on := range map[string]schemas.OnWorker{"go-first": first, "go-retry": retry, "go-again": again, "go-gone": gone} {
		saved, err := b.save(on, key, []byte(key))
		require.NoError(t, err)
		require.True(t, saved)
	}
	require.Equal(t, "", b.find(b.inPipeline(pipeline), "no", "go-"), "caches of a stranger")
	require.Equal(t, "go-first", b.find(again, "go-first"))
	require.Equal(t, "go-again", b.find(first, "go-again"))
	require.Equal(t, "go-gone", b.find(gone, "no", "go-"), "a retry whose origin is unknown has a scope of its own")

	own := b.run(pipeline, "")
	past := b.started(hodei.Execution{PipelineID: &pipeline, RunID: &own.ID, RunNumber: &own.Number, JobKey: new("build")})
	saved, err := b.save(b.started(hodei.Execution{PipelineID: &pipeline, RetryOf: &past.ExecutionID}), "go-own", []byte("own"))
	require.NoError(t, err)
	require.True(t, saved)
	require.Equal(t, "go-own", b.find(b.inPipeline(pipeline), "no", "go-"), "a retry in the repository itself shares its caches")
}
