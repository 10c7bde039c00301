package worker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// store answers a worker in place of the artifacts service, and fails where the test wants a failure.
type store struct {
	mu    sync.Mutex
	asked []schemas.FindCacheRequest
	files int // of the last cache that was saved
	// saving is closed by the first request that is held.
	saving chan struct{}
	answers
}

type answers struct {
	find, read, save error
	found            *hodei.Cache
	// A request is answered when the channel is closed.
	holdFind, holdSave chan struct{}
}

func newStore(t *testing.T, f *fleet) *store {
	s := &store{saving: make(chan struct{})}
	svc := rpc.New(rpc.Config{NATS: f.nc, Name: schemas.Artifacts, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.FindCache, func(_ context.Context, req schemas.FindCacheRequest) (schemas.FoundCache, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked = append(s.asked, req); s.holdFind != nil {
			<-s.holdFind
		}
		return schemas.FoundCache{Cache: s.found}, s.find
	})
	rpc.Handle(svc, schemas.ReadBlob, func(context.Context, schemas.ReadBlobRequest) (schemas.Chunk, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return schemas.Chunk{Attached: schemas.Attached{Data: make([]byte, 3)}}, s.read
	})
	rpc.Handle(svc, schemas.SaveCache, func(_ context.Context, req schemas.SaveCacheRequest) (schemas.SavedCache, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.files = req.Files
		if s.holdSave != nil {
			close(s.saving)
			<-s.holdSave
		}
		return schemas.SavedCache{Saved: true}, s.save
	})
	localtest.Run(t, svc.Run, svc.Ready())
	return s
}

func (s *store) answer(a answers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = a
}

// takeKeys returns the key and the prefixes of the last request.
func (s *store) takeKeys() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, req := range s.asked {
		keys = append(append(keys, req.Key), req.Restore...)
	}
	s.asked = nil
	return keys
}

func (f *fleet) withCache(key string, restore ...string) schemas.ExecutionRequest {
	req := f.request(`test ! -e ~/.cache && mkdir -p ~/.cache && echo x > ~/.cache/f && echo ran`)
	req.Caches = []hodei.CacheSpec{{Key: key, Restore: restore, Paths: []string{"~/.cache"}}}
	return req
}

// TestCachesNeverFailAnExecution: whatever goes wrong with a cache, the command starts without
// it, completes, and the log has a warning.
func TestCachesNeverFailAnExecution(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.cachePatience = 50 * time.Millisecond })
	completes := func(req schemas.ExecutionRequest, warnings ...string) {
		t.Helper()
		end, lines := f.outcome(req)
		log := strings.Join(append(texts(lines, hodei.Stderr), texts(lines, hodei.Stdout)...), "\n")
		require.Equal(t, hodei.Completed, end.Status, log)
		require.Contains(t, log, "ran")
		require.Equal(t, len(warnings), strings.Count(log, "warning"), log)
		for _, warning := range warnings {
			require.Contains(t, log, warning)
		}
	}
	completes(f.withCache("k"), "cache k not restored: the store does not answer")
	two := f.withCache("k")
	two.Caches = append(two.Caches, two.Caches[0])
	completes(two, "does not answer")

	s := newStore(t, f)
	completes(f.withCache("k"))
	away := hodei.Errorf(hodei.Unavailable, "away")
	s.answer(answers{save: hodei.Errorf(hodei.Rejected, "full")})
	completes(f.withCache("k"), "cache k not saved: full")
	s.answer(answers{save: away})
	completes(f.withCache("k"), "cache k not saved: away")
	s.answer(answers{find: hodei.Errorf(hodei.Conflict, "lost")})
	completes(f.withCache("k"), "cache k not restored: lost")
	found := &hodei.Cache{Key: "k", Size: 3, SHA256: hodei.DigestOf([32]byte{})}
	s.answer(answers{found: found})
	completes(f.withCache("k"), "cache k not restored: read archive")
	s.answer(answers{found: found, read: away})
	completes(f.withCache("k"), "away")
	s.answer(answers{})
	nothing := f.withCache("k")
	nothing.Caches[0].Paths = []string{"nothing", "~/none/**"}
	completes(nothing, `cache k not saved: no file matches ["nothing" "~/none/**"]`)
	completes(f.withCache("${{ params.x }}"), "params.x has no value here")
	completes(f.withCache(strings.Repeat("k", 1001)), "1001 bytes")
	completes(f.withCache(""), "0 bytes")

	failing := f.request("mkdir -p ~/.cache && touch ~/.cache/f && exit 1")
	failing.Caches = []hodei.CacheSpec{{Key: "k", Paths: []string{"~/.cache"}}}
	end, lines := f.outcome(failing)
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, []string{"hodei: no cache k yet"}, texts(lines, hodei.Stderr), "a command that fails saves nothing")
}

// TestKeysOfCaches: file_hash is the digest of files in the working directory.
func TestKeysOfCaches(t *testing.T) {
	t.Parallel()
	f := start(t)
	s := newStore(t, f)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for name, text := range map[string]string{"go.sum": "one", "sub/go.sum": "two", "other": "x"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	key := func(text string, restore ...string) []string {
		t.Helper()
		req := f.withCache(text, restore...)
		req.WorkingDir = &dir
		end, _ := f.outcome(req)
		require.Equal(t, hodei.Completed, end.Status)
		return s.takeKeys()
	}
	top := key("go-${{ file_hash('go.sum') }}-x", "go-${{file_hash('go.sum')}}", "go-")
	require.Regexp(t, `^go-[0-9a-f]{64}-x$`, top[0])
	require.Equal(t, []string{strings.TrimSuffix(top[0], "-x"), "go-"}, top[1:])
	both := key("go-${{ file_hash('**/go.sum') }}-x")
	require.NotEqual(t, top[0], both[0])
	require.Equal(t, both, key("go-${{ file_hash( 'go.sum' , 'sub/go.sum' ) }}-x"))
	require.Equal(t, []string{"go--x"}, key("go-${{ file_hash('no.sum') }}-x"), "no file, no digest")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte("y"), 0o644))
	require.Equal(t, top[:1], key("go-${{ file_hash('go.sum') }}-x"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte("three"), 0o644))
	require.NotEqual(t, top[:1], key("go-${{ file_hash('go.sum') }}-x"))
	require.Empty(t, key("go-${{ file_hash('a[') }}"))
}

// TestPathsOfCaches: what paths select in the home and in the working directory.
func TestPathsOfCaches(t *testing.T) {
	t.Parallel()
	f := start(t)
	s := newStore(t, f)
	for paths, want := range map[string]int{
		"~/.cache": 3, "~/.cache !~/.cache/tmp/": 2, "~/.cache/* !~/**/a": 1, "mod": 1, "mod ~/.cache/tmp": 2, "./~odd": 1, "** ~/**": 5, "** ~/** !mod !./~odd": 3,
	} {
		req := f.request(`mkdir -p ~/.cache/tmp mod && touch ~/.cache/a ~/.cache/b ~/.cache/tmp/c mod/d ./~odd`)
		req.Caches = []hodei.CacheSpec{{Key: "k", Paths: strings.Fields(paths)}}
		end, _ := f.outcome(req)
		require.Equal(t, hodei.Completed, end.Status)
		s.mu.Lock()
		require.Equal(t, want, s.files, paths)
		s.mu.Unlock()
	}
}

// TestCancelWhileCachesAreRestored: the execution ends at once, and its command never starts.
func TestCancelWhileCachesAreRestored(t *testing.T) {
	t.Parallel()
	f := start(t)
	s := newStore(t, f)
	hold := make(chan struct{})
	defer close(hold)
	s.answer(answers{holdFind: hold})
	id := f.run(f.withCache("k"))
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, lines := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	require.Empty(t, lines)
}

// TestTerminateWhileCachesAreSaved: the worker waits for no store, and the outcome stays.
func TestTerminateWhileCachesAreSaved(t *testing.T) {
	t.Parallel()
	f := start(t)
	s := newStore(t, f)
	hold := make(chan struct{})
	defer close(hold)
	s.answer(answers{holdSave: hold})
	id := f.run(f.withCache("k"))
	receive(t, s.saving, "a cache is being saved")
	f.Terminate()
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Contains(t, texts(lines, hodei.Stderr), "hodei: warning: cache k not saved: the worker terminates")
	require.NoError(t, receive(t, f.done, "the worker has left"))
}
