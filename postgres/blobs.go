package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// Upload is content that its owner is writing, or that is stored already.
type Upload struct {
	ID     hodei.BlobID
	Stored bool
}

// BeginBlob returns the stored content if it exists, the owner's upload of the content if it
// exists, or a new upload. A new upload must fit into the quota in bytes; 0 means no quota.
// CondemnBlobs does not condemn the content for its grace, nor while its owner runs; an
// execution becomes the owner of content that is stored already.
func (db *DB) BeginBlob(ctx context.Context, owner string, b hodei.Blob, quota int64) (u Upload, err error) {
	sum, err := b.SHA256.Bytes()
	if err != nil {
		return u, hodei.InvalidField("sha256", err.Error())
	}
	err = db.transact(ctx, "blob", string(b.SHA256), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `UPDATE blobs SET used_at = now(), owner = CASE WHEN $2 LIKE 'worker/_%' ESCAPE '/' THEN $2 ELSE owner END
			WHERE state <> 'CONDEMNED' AND id = (SELECT id FROM blobs
				WHERE sha256 = $1 AND size = $3 AND (state = 'STORED' OR state = 'UPLOADING' AND owner = $2) ORDER BY state = 'STORED' DESC LIMIT 1)
			RETURNING id, state = 'STORED'`, sum, owner, b.Size).Scan(&u.ID, &u.Stored)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var used int64
		if err := tx.QueryRow(ctx, `SELECT coalesce(sum(size), 0)::bigint FROM blobs WHERE state <> 'CONDEMNED'`).Scan(&used); err != nil {
			return err
		}
		if quota > 0 && used+b.Size > quota {
			return hodei.Errorf(hodei.Rejected, "the store of artifacts is full: %s of %s are used, and %s do not fit; delete artifacts, keep them for less time, or raise --artifact-quota",
				humanize.IBytes(uint64(used)), humanize.IBytes(uint64(quota)), humanize.IBytes(uint64(b.Size)))
		}
		return tx.QueryRow(ctx, `INSERT INTO blobs (id, sha256, size, state, owner) VALUES ($1, $2, $3, 'UPLOADING', $4)
			ON CONFLICT (sha256, owner) WHERE state = 'UPLOADING' DO UPDATE SET used_at = now() RETURNING id`,
			NewID[hodei.BlobID](), sum, b.Size, owner).Scan(&u.ID)
	})
	return u, failure("begin blob", err)
}

// UploadOf returns the content that its owner uploads under the id, or NOT_FOUND. Stored
// reports that it has arrived.
func (db *DB) UploadOf(ctx context.Context, owner string, id hodei.BlobID) (b hodei.Blob, stored bool, err error) {
	err = db.pool.QueryRow(ctx, `SELECT encode(sha256, 'hex'), size, state = 'STORED' FROM blobs WHERE id = $1 AND owner = $2 AND state <> 'CONDEMNED'`, id, owner).
		Scan(&b.SHA256, &b.Size, &stored)
	if errors.Is(err, pgx.ErrNoRows) {
		err = hodei.Missing("blob", id.String())
	}
	return b, stored, failure("find upload", err)
}

// StoreBlob records that the content of an upload has arrived and is verified. If the same
// content was stored in the meantime, the upload is condemned.
func (db *DB) StoreBlob(ctx context.Context, id hodei.BlobID) error {
	for range 2 { // the second time the other one is visible
		_, err := db.pool.Exec(ctx, `UPDATE blobs b SET used_at = now(), state = CASE
				WHEN EXISTS (SELECT FROM blobs o WHERE o.sha256 = b.sha256 AND o.state = 'STORED') THEN 'CONDEMNED' ELSE 'STORED' END
			WHERE b.id = $1 AND b.state = 'UPLOADING'`, id)
		if err = failure("store blob", err); !errors.Is(err, hodei.Conflict) {
			return err
		}
	}
	return hodei.Errorf(hodei.Unavailable, "Another upload of the same content was faster; try again")
}

// FindBlob returns the id and the size of stored content, or NOT_FOUND.
func (db *DB) FindBlob(ctx context.Context, digest hodei.Digest) (id hodei.BlobID, size int64, err error) {
	sum, err := digest.Bytes()
	if err == nil {
		err = db.pool.QueryRow(ctx, `SELECT id, size FROM blobs WHERE sha256 = $1 AND state = 'STORED'`, sum).Scan(&id, &size)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = hodei.Missing("blob", string(digest))
	}
	return id, size, failure("find blob", err)
}

// reference locks stored content and returns its id, so that what refers to it can be
// recorded before the transaction ends; NOT_FOUND if it is not stored.
func reference(ctx context.Context, tx session, b hodei.Blob) (id hodei.BlobID, err error) {
	sum, err := b.SHA256.Bytes()
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT id FROM blobs WHERE sha256 = $1 AND size = $2 AND state = 'STORED' FOR KEY SHARE`, sum, b.Size).Scan(&id)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = hodei.Missing("blob", string(b.SHA256))
	}
	return id, err
}

// referenced is the condition that something refers to a blob b.
const referenced = `(EXISTS (SELECT FROM artifacts a WHERE a.blob_id = b.id) OR EXISTS (SELECT FROM caches c WHERE c.blob_id = b.id))`

// ownerRuns is the condition that the owner of a blob b is an execution on its worker, as in
// "worker_<uuid>/exec_<uuid>", which is RUNNING. That of a source is a pipeline and a person.
const ownerRuns = `EXISTS (SELECT FROM executions e WHERE e.status = 'RUNNING'
	AND e.id = CASE WHEN b.owner LIKE 'worker/_%' ESCAPE '/' THEN right(b.owner, 36)::uuid END)`

// CondemnBlobs condemns content to which nothing refers and which was not asked for within
// the grace, and uploads that were begun before the older limit; at most limit of them. It
// skips those of RUNNING executions: an execution refers to its content only once all of it is
// stored. It returns how many.
func (db *DB) CondemnBlobs(ctx context.Context, grace, abandoned time.Duration, limit int) (condemned int, err error) {
	err = db.transact(ctx, "blob", "", func(tx pgx.Tx) error {
		// The lock comes first: a transaction that refers to the content waits for it, so that the
		// second statement sees every reference.
		ids, err := all[struct{ ID hodei.BlobID }](ctx, tx, "condemn blobs", `SELECT b.id FROM blobs b
			WHERE b.state <> 'CONDEMNED' AND b.used_at < now() - CASE b.state WHEN 'STORED' THEN $1::interval ELSE $2::interval END AND NOT `+referenced+` AND NOT `+ownerRuns+`
			ORDER BY b.used_at LIMIT $3 FOR UPDATE SKIP LOCKED`, grace, abandoned, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		locked := make([]hodei.BlobID, len(ids))
		for i, row := range ids {
			locked[i] = row.ID
		}
		tag, err := tx.Exec(ctx, `UPDATE blobs b SET state = 'CONDEMNED' WHERE b.id = ANY($1) AND NOT `+referenced, locked)
		condemned = int(tag.RowsAffected())
		return err
	})
	return condemned, failure("condemn blobs", err)
}

// TakeCondemned locks one condemned blob, calls remove for it, and forgets it. It returns
// NOT_FOUND if there is none that no other instance has locked. A blob that cannot be removed
// comes after the others: they are taken by used_at.
func (db *DB) TakeCondemned(ctx context.Context, remove func(hodei.BlobID) error) error {
	var failed error
	err := db.transact(ctx, "blob", "", func(tx pgx.Tx) error {
		var id hodei.BlobID
		err := tx.QueryRow(ctx, `SELECT id FROM blobs WHERE state = 'CONDEMNED' ORDER BY used_at LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return hodei.Missing("blob", "condemned")
		}
		if err != nil {
			return fmt.Errorf("take condemned blob: %w", err)
		}
		if err := remove(id); err != nil {
			failed = fmt.Errorf("remove blob %s: %w", id, err)
			_, err = tx.Exec(ctx, `UPDATE blobs SET used_at = now() WHERE id = $1`, id)
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM blobs WHERE id = $1`, id)
		return err
	})
	return cmp.Or(failed, err)
}
