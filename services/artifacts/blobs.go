package artifacts

import (
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// beginBlob begins or resumes an upload, if the execution runs on the worker.
func (s *Service) beginBlob(ctx context.Context, req schemas.BeginBlobRequest) (schemas.Upload, error) {
	if err := s.db.CheckHeld(ctx, req.WorkerID, req.ExecutionID); err != nil {
		return schemas.Upload{}, err
	}
	return s.begin(ctx, owner(req.OnWorker), req.Blob)
}

// owner is the owner of an upload for an execution, as postgres.CondemnBlobs reads it.
func owner(on schemas.OnWorker) string { return on.WorkerID.String() + "/" + on.ExecutionID.String() }

// begin begins or resumes the upload of an owner.
func (s *Service) begin(ctx context.Context, owner string, b hodei.Blob) (schemas.Upload, error) {
	u, err := s.db.BeginBlob(ctx, owner, b, s.cfg.Quota)
	if err != nil {
		return schemas.Upload{}, err
	}
	out := schemas.Upload{ID: u.ID, Stored: u.Stored}
	if !u.Stored {
		out.Offset, err = s.cfg.Store.Received(ctx, u.ID)
	}
	return out, s.store(ctx, err)
}

func (s *Service) writeBlob(ctx context.Context, req schemas.WriteBlobRequest) (schemas.Empty, error) {
	part := permission{OnWorker: req.OnWorker, upload: req.ID}
	return schemas.Empty{}, s.write(ctx, part, req.Offset, req.Data, func() (string, error) {
		return owner(req.OnWorker), s.db.CheckHeld(ctx, req.WorkerID, req.ExecutionID)
	})
}

// write writes a part of an upload. WhoOwns returns its owner; it is asked once in a while.
func (s *Service) write(ctx context.Context, part permission, offset int64, data []byte, whoOwns func() (string, error)) error {
	at, err := s.allowed.find(part, func() (content, error) {
		owner, err := whoOwns()
		if err != nil {
			return content{}, err
		}
		b, stored, err := s.db.UploadOf(ctx, owner, part.upload)
		return content{id: part.upload, size: b.Size, stored: stored}, err
	})
	switch {
	case err != nil || at.stored:
		return err
	case offset < 0 || len(data) > schemas.ChunkBytes || offset+int64(len(data)) > at.size:
		return hodei.InvalidField("offset", "the part is not within the content, or larger than 512 KiB")
	}
	return s.store(ctx, s.cfg.Store.Write(ctx, part.upload, offset, data))
}

func (s *Service) commitBlob(ctx context.Context, req schemas.CommitBlobRequest) (hodei.Blob, error) {
	if err := s.db.CheckHeld(ctx, req.WorkerID, req.ExecutionID); err != nil {
		return hodei.Blob{}, err
	}
	return s.commit(ctx, owner(req.OnWorker), req.ID)
}

// commit verifies the upload of an owner and stores it.
func (s *Service) commit(ctx context.Context, owner string, id hodei.BlobID) (hodei.Blob, error) {
	b, stored, err := s.db.UploadOf(ctx, owner, id)
	if err != nil || stored {
		return b, err
	}
	if err := s.cfg.Store.Complete(ctx, id, b); err != nil {
		if errors.Is(err, blob.ErrDamaged) {
			s.log.WarnContext(ctx, "upload damaged, and dropped", "blob_id", id, "owner", owner)
		}
		return b, s.store(ctx, err)
	}
	return b, s.db.StoreBlob(ctx, id)
}

// readBlob returns a part of content that the execution receives.
func (s *Service) readBlob(ctx context.Context, req schemas.ReadBlobRequest) (schemas.Chunk, error) {
	at, err := s.allowed.find(permission{OnWorker: req.OnWorker, digest: req.SHA256}, func() (content, error) {
		if err := s.receives(ctx, req); err != nil {
			return content{}, err
		}
		return s.find(ctx, req.SHA256)
	})
	if err != nil {
		return schemas.Chunk{}, err
	}
	return s.read(ctx, at, req.Offset)
}

// find returns where stored content is.
func (s *Service) find(ctx context.Context, digest hodei.Digest) (content, error) {
	id, size, err := s.db.FindBlob(ctx, digest)
	return content{id: id, size: size, stored: true}, err
}

// read returns a chunk of stored content.
func (s *Service) read(ctx context.Context, at content, offset int64) (schemas.Chunk, error) {
	data := make([]byte, max(0, min(schemas.ChunkBytes, at.size-offset)))
	n, err := s.cfg.Store.Read(ctx, at.id, offset, data)
	chunk := schemas.Chunk{Size: at.size}
	chunk.Data = data[:n]
	return chunk, s.store(ctx, err)
}
