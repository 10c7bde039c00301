package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

const (
	// cacheLimit bounds the time in which the caches of an execution are restored, and that in
	// which they are saved: running a command without a cache is better than waiting longer.
	cacheLimit = 10 * time.Minute
	// cachePatience is the time for which a request for a cache is repeated.
	cachePatience = 20 * time.Second
)

// The directories of an archive that contain the files of a cache.
const (
	cacheDir  = "dir"  // files of the working directory
	cacheHome = "home" // files of the home directory
)

// cache is a cache of an execution with its key.
type cache struct {
	hodei.CacheSpec
	key     string
	restore []string
}

// restore unpacks the caches of the job, and returns the caches to save once the command has
// completed. An error does not fail the execution; it becomes a line of the log.
func (w *Worker) restore(ctx context.Context, r *run, at process.Place) (save []cache) {
	if len(r.req.Caches) == 0 {
		return nil
	}
	wanted, cancel := r.process.before(ctx)
	defer cancel()
	ctx, done := limited(wanted)
	defer done()
	free, err := w.transferring(ctx)
	if err != nil {
		if wanted.Err() == nil {
			r.note("warning: caches not restored: %v", errSlow)
		}
		return nil
	}
	defer free()
	roots, err := openRoots(at)
	if err != nil {
		r.note("warning: caches not restored: %v", err)
		return nil
	}
	defer roots.close()
	for _, c := range r.caches(ctx, roots.dir) {
		exact, err := w.restoreOne(ctx, r, roots, c)
		switch {
		case wanted.Err() != nil: // the execution is stopped
			return nil
		case err != nil && ctx.Err() != nil:
			err = context.Cause(ctx)
		}
		if err != nil {
			r.note("warning: cache %s not restored: %v", c.key, err)
		}
		if errors.Is(err, errSlow) || errors.Is(err, errUnanswered) { // the other caches would fail in the same way
			return save
		}
		if err == nil && !exact {
			save = append(save, c)
		}
	}
	return save
}

var (
	errSlow       = fmt.Errorf("more than %v passed", cacheLimit)
	errUnanswered = errors.New("the store does not answer")
)

// restoreOne restores a cache, and reports whether a cache with exactly this key exists.
func (w *Worker) restoreOne(ctx context.Context, r *run, roots *roots, c cache) (exact bool, err error) {
	begun := time.Now()
	found, err := transfer.RepeatFor(ctx, w.cfg.cachePatience, nil, func(ctx context.Context) (schemas.FoundCache, error) {
		return rpc.Call(ctx, w.cfg.NATS, schemas.FindCache, schemas.FindCacheRequest{OnWorker: w.on(r), Key: c.key, Restore: c.restore, Paths: c.Paths})
	})
	switch {
	case errors.Is(err, hodei.Unavailable) || errors.Is(err, hodei.Timeout):
		return false, fmt.Errorf("%w: %w", errUnanswered, err)
	case err != nil:
		return false, err
	case found.Cache == nil:
		r.note("no cache %s yet", strings.Join(append([]string{c.key}, c.restore...), ", nor "))
		return false, nil
	}
	b := hodei.Blob{SHA256: found.Cache.SHA256, Size: found.Cache.Size}
	from := transfer.Open(ctx, w.cacheWire(r), b)
	defer func() { _ = from.Close() }() // never fails
	files, err := archive.UnpackParts(ctx, from, map[string]*os.Root{cacheDir: roots.dir, cacheHome: roots.home}, w.disk.Check)
	if err != nil {
		return false, err
	}
	exact = found.Cache.Key == c.key
	name := c.key
	if !exact {
		name = fmt.Sprintf("%s (there is no %s)", found.Cache.Key, c.key)
	}
	r.note("restored the cache %s: %s, %s in %v", name, counted(files, "file"), humanize.IBytes(uint64(b.Size)), time.Since(begun).Round(time.Millisecond))
	return exact, nil
}

// saveCaches saves the caches of a completed command. An error does not change the outcome.
func (w *Worker) saveCaches(ctx context.Context, r *run, at process.Place, caches []cache, end *hodei.Outcome) {
	if len(caches) == 0 || end.Status != hodei.Completed {
		return
	}
	ctx, cancel := w.untilTerminated(ctx)
	defer cancel()
	ctx, done := limited(ctx)
	defer done()
	why := func() error {
		if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
			return cause
		}
		return errors.New("the worker terminates")
	}
	free, err := w.transferring(ctx)
	if err != nil {
		r.note("warning: caches not saved: %v", why())
		return
	}
	defer free()
	roots, err := openRoots(at)
	if err != nil {
		r.note("warning: caches not saved: %v", err)
		return
	}
	defer roots.close()
	for _, c := range caches {
		err := w.saveOne(ctx, r, roots, c)
		if err != nil && ctx.Err() != nil {
			err = why()
		}
		if err != nil {
			r.note("warning: cache %s not saved: %v", c.key, err)
		}
	}
}

func (w *Worker) saveOne(ctx context.Context, r *run, roots *roots, c cache) error {
	begun := time.Now()
	to, err := archive.NewSpool(w.state.files, w.disk.Check)
	if err != nil {
		return err
	}
	defer to.Close()
	packed, err := roots.pack(ctx, c, to)
	for _, skipped := range packed.Skipped {
		r.note("warning: cache %s: %s", c.key, skipped)
	}
	switch {
	case err != nil:
		return err
	case packed.Empty():
		r.note("warning: cache %s not saved: no file matches %q", c.key, c.Paths)
		return nil
	}
	sum, size := to.Sum()
	request := schemas.SaveCacheRequest{OnWorker: w.on(r), Blob: hodei.Blob{SHA256: hodei.DigestOf(sum), Size: size}, Key: c.key, Paths: c.Paths, Files: packed.Files}
	record := func() (schemas.SavedCache, error) {
		return transfer.RepeatFor(ctx, w.cfg.cachePatience, nil, func(ctx context.Context) (schemas.SavedCache, error) {
			return rpc.Call(ctx, w.cfg.NATS, schemas.SaveCache, request)
		})
	}
	saved, err := record() // equal content may be stored already, and the cache may exist
	if errors.Is(err, hodei.NotFound) {
		if err = transfer.Put(ctx, w.cacheWire(r), request.Blob, to); err == nil {
			saved, err = record()
		}
	}
	switch {
	case err != nil:
		return err
	case !saved.Saved:
		r.note("the cache %s was saved by another job meanwhile", c.key)
	default:
		r.note("saved the cache %s: %s, %s in %v", c.key, counted(packed.Files, "file"), humanize.IBytes(uint64(size)), time.Since(begun).Round(time.Millisecond))
	}
	return nil
}

// limited returns a context that ends after cacheLimit. It has no deadline, because each request
// would use that deadline; a request without an answer must be repeated sooner.
func limited(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(cacheLimit, func() { cancel(errSlow) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

func (w *Worker) on(r *run) schemas.OnWorker {
	return schemas.OnWorker{WorkerID: w.id, ExecutionID: r.req.ExecutionID}
}

// cacheWire is wire with less patience and without lines about delays.
func (w *Worker) cacheWire(r *run) transfer.Wire {
	wire := w.wire(r)
	wire.Patience, wire.Failed = w.cfg.cachePatience, nil
	return wire
}

// caches returns the caches of the job with their keys, without caches whose keys cannot be
// computed. It computes all keys before the first cache is restored, because restoring may
// change the files.
func (r *run) caches(ctx context.Context, dir *os.Root) (all []cache) {
	for _, spec := range r.req.Caches {
		c, err := r.named(ctx, dir, spec)
		if err != nil {
			r.note("warning: cache %s not used: %v", spec.Key, err)
			continue
		}
		all = append(all, c)
	}
	return all
}

func (r *run) named(ctx context.Context, dir *os.Root, spec hodei.CacheSpec) (c cache, err error) {
	c.CacheSpec, c.restore = spec, make([]string, len(spec.Restore))
	if c.key, err = r.hashed(ctx, dir, spec.Key); err != nil {
		return c, err
	}
	for i, prefix := range spec.Restore {
		if c.restore[i], err = r.hashed(ctx, dir, prefix); err != nil {
			return c, err
		}
	}
	if c.key == "" || len(c.key) > hodei.MaxCacheKey {
		return c, fmt.Errorf("its key has %d bytes: 1 to %d are allowed", len(c.key), hodei.MaxCacheKey)
	}
	return c, nil
}

// hashed replaces each file_hash(…) of a key with the hexadecimal digest of the files in the
// working directory, or with "" if no file matches.
func (r *run) hashed(ctx context.Context, dir *os.Root, text string) (string, error) {
	var failed error
	out := hodei.Reference.ReplaceAllStringFunc(text, func(ref string) string {
		name := hodei.Reference.FindStringSubmatch(ref)[1]
		list := hodei.FileHash(name)
		if list == nil {
			failed = errors.Join(failed, fmt.Errorf("%s has no value here", name))
			return ""
		}
		globs, err := archive.NewGlobs(list)
		if err != nil {
			failed = errors.Join(failed, err)
			return ""
		}
		sum, files, err := archive.Hash(ctx, dir, globs)
		switch {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
		case files == 0:
			r.note("warning: %s: no file matches", name)
		default:
			return string(hodei.DigestOf(sum))
		}
		return ""
	})
	return out, failed
}

// roots are the directories of an execution that contain the files of its caches.
type roots struct{ dir, home *os.Root }

func openRoots(at process.Place) (*roots, error) {
	dir, err := os.OpenRoot(at.Dir)
	if err != nil {
		return nil, err
	}
	home, err := os.OpenRoot(at.Home)
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &roots{dir, home}, nil
}

func (r *roots) close() {
	r.dir.Close()
	r.home.Close()
}

// pack writes an archive of the files that the paths of a cache select.
func (r *roots) pack(ctx context.Context, c cache, to *archive.Spool) (p archive.Packed, err error) {
	inDir, inHome := c.Globs()
	parts := []archive.Part{{Name: cacheDir, Root: r.dir}, {Name: cacheHome, Root: r.home}}
	for i, list := range [][]string{inDir, inHome} {
		if parts[i].Globs, err = archive.NewGlobs(list); err != nil {
			return p, err
		}
	}
	return archive.PackParts(ctx, parts, to)
}
