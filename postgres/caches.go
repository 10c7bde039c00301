package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// cacheColumns are the columns of a hodei.Cache c with its blob b.
const cacheColumns = `c.id, c.pipeline_id, c.key, c.paths, nullif(c.scope, '') AS scope, b.size, c.files, encode(b.sha256, 'hex') AS sha256, c.created_at, c.used_at`

// cacheScope identifies the caches of an execution: it reads the caches of its pipeline with the
// empty scope or with its own scope, and saves caches with its own scope.
type cacheScope struct {
	PipelineID hodei.PipelineID
	Scope      string
}

// scopeOf returns the scope of an execution that runs on the worker, CONFLICT if it does not
// run there, and VALIDATION_ERROR if it belongs to no pipeline. Lock is a locking clause.
//
// The scope is that of its run. A retry that a user asked for has no run: its scope is that of
// the run of the first execution that it repeats. If that is not recorded any more, the scope is
// one of the execution alone, because the run may have been that of a fork.
func scopeOf(ctx context.Context, q session, w hodei.WorkerID, id hodei.ExecutionID, lock string) (s cacheScope, err error) {
	var pipeline *hodei.PipelineID
	err = q.QueryRow(ctx, `WITH RECURSIVE past AS (SELECT run_id, retry_of FROM executions WHERE id = $1
			UNION ALL SELECT p.run_id, p.retry_of FROM executions p JOIN past ON p.id = past.retry_of WHERE past.run_id IS NULL),
		first AS (SELECT CASE WHEN past.run_id IS NULL THEN '' WHEN r.id IS NOT NULL THEN coalesce(r.plan->>'cache_scope', '') END AS scope
			FROM past LEFT JOIN runs r ON r.id = past.run_id WHERE past.run_id IS NOT NULL OR past.retry_of IS NULL)
		SELECT e.pipeline_id, coalesce((SELECT scope FROM first), 'retry/' || e.id) FROM executions e
		WHERE e.id = $1 AND e.worker_id = $2 AND e.status = 'RUNNING'`+lock, id, w).Scan(&pipeline, &s.Scope)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s, errNotHeld
	case err != nil:
		return s, failure("find scope of caches", err)
	case pipeline == nil:
		return s, hodei.InvalidField("execution_id", "the execution belongs to no pipeline, and caches do")
	}
	s.PipelineID = *pipeline
	return s, nil
}

// pathsSum identifies the paths of a cache.
func pathsSum(paths []string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(paths, "\x00")))
	return sum[:]
}

// FindCache returns the cache for an execution that runs on the worker: the cache with the
// key, or else the newest cache of the first prefix that matches any; nil if there is none. It
// records the use of the cache.
func (db *DB) FindCache(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID, key string, prefixes, paths []string) (*hodei.Cache, error) {
	s, err := scopeOf(ctx, db.pool, w, id, "")
	if err != nil {
		return nil, err
	}
	c, err := one[hodei.Cache](ctx, db.pool, "find cache", "cache", key, `UPDATE caches c SET used_at = now() FROM blobs b
		WHERE b.id = c.blob_id AND c.id = (SELECT o.id FROM caches o, unnest($4::text[]) WITH ORDINALITY AS w(wanted, n)
			WHERE o.pipeline_id = $1 AND o.scope IN ('', $2) AND o.paths_sha256 = $3 AND CASE WHEN n = 1 THEN o.key = wanted ELSE starts_with(o.key, wanted) END
			ORDER BY n, o.created_at DESC, o.id DESC LIMIT 1)
		RETURNING `+cacheColumns, s.PipelineID, s.Scope, pathsSum(paths), append([]string{key}, prefixes...))
	if errors.Is(err, hodei.NotFound) {
		return nil, nil
	}
	return &c, err
}

// NewCache is a cache to record.
type NewCache struct {
	Key   string
	Paths []string
	Blob  hodei.Blob
	Files int
}

// SaveCache records a cache of an execution that runs on the worker. It returns false if
// there is one with the key, which stays. Content that is not stored is NOT_FOUND.
func (db *DB) SaveCache(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID, c NewCache) (saved bool, err error) {
	err = db.transact(ctx, "execution", id.String(), func(tx pgx.Tx) error {
		s, err := scopeOf(ctx, tx, w, id, ` FOR SHARE OF e`) // it cannot end before the commit
		if err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM caches WHERE pipeline_id = $1 AND paths_sha256 = $2 AND scope IN ('', $3) AND key = $4)`,
			s.PipelineID, pathsSum(c.Paths), s.Scope, c.Key).Scan(&there); err != nil || there {
			return err
		}
		blob, err := reference(ctx, tx, c.Blob)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO caches (id, pipeline_id, scope, key, paths, paths_sha256, blob_id, files) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (pipeline_id, paths_sha256, scope, key) DO NOTHING`,
			NewID[hodei.CacheID](), s.PipelineID, s.Scope, c.Key, c.Paths, pathsSum(c.Paths), blob, c.Files)
		saved = tag.RowsAffected() == 1
		return err
	})
	return saved, failure("save cache", err)
}

// CheckCached returns NOT_FOUND unless the content is that of a cache which an execution
// that runs on the worker may start with.
func (db *DB) CheckCached(ctx context.Context, w hodei.WorkerID, id hodei.ExecutionID, digest hodei.Digest) error {
	s, err := scopeOf(ctx, db.pool, w, id, "")
	if errors.Is(err, hodei.Invalid) {
		return hodei.Missing("blob", string(digest))
	}
	if err != nil {
		return err
	}
	sum, err := digest.Bytes()
	if err != nil {
		return hodei.InvalidField("sha256", err.Error())
	}
	var may bool
	err = db.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM blobs b JOIN caches c ON c.blob_id = b.id
		WHERE b.sha256 = $3 AND b.state = 'STORED' AND c.pipeline_id = $1 AND c.scope IN ('', $2))`, s.PipelineID, s.Scope, sum).Scan(&may)
	if err == nil && !may {
		err = hodei.Missing("blob", string(digest))
	}
	return failure("find cached content", err)
}

// ListCaches returns a page of the caches of a pipeline whose keys have the prefix key, newest
// first.
func (db *DB) ListCaches(ctx context.Context, pipeline hodei.PipelineID, key string, p Page) ([]hodei.Cache, *string, error) {
	return list(p, func(c hodei.Cache) hodei.CacheID { return c.ID }, func(from *hodei.CacheID, limit int) ([]hodei.Cache, error) {
		return all[hodei.Cache](ctx, db.pool, "list caches", `SELECT `+cacheColumns+` FROM caches c JOIN blobs b ON b.id = c.blob_id
			WHERE c.pipeline_id = $1 AND starts_with(c.key, $2) AND ($3::uuid IS NULL OR c.id < $3) ORDER BY c.id DESC LIMIT $4`, pipeline, key, from, limit)
	})
}

// DeleteCache deletes a cache, or returns NOT_FOUND. Its content goes once nothing refers to
// it.
func (db *DB) DeleteCache(ctx context.Context, id hodei.CacheID) error {
	_, err := changeOne[struct{ ID hodei.CacheID }](ctx, db, "delete cache", "cache", id.String(), `DELETE FROM caches WHERE id = $1 RETURNING id`, id)
	return err
}

// EvictCaches deletes the caches that no job has used for the time unused, and the least
// recently used ones beyond the limit in bytes. 0 disables either. It returns their number.
func (db *DB) EvictCaches(ctx context.Context, limit int64, unused time.Duration) (int, error) {
	tag, err := db.pool.Exec(ctx, `DELETE FROM caches WHERE $2::interval > interval '0' AND used_at < now() - $2::interval
		OR $1::bigint > 0 AND id IN (SELECT id FROM (SELECT c.id, sum(b.size) OVER (ORDER BY c.used_at DESC, c.id DESC) AS used
			FROM caches c JOIN blobs b ON b.id = c.blob_id) newest WHERE used > $1)`, limit, unused)
	return int(tag.RowsAffected()), failure("evict caches", err)
}
