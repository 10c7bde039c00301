package client

import (
	"context"
	"io"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
)

// UploadSource uploads a tree for a run of the pipeline, packed as a tar archive in a zstd
// frame. A run that names the tree in ExecutePipelineRequest.Source within an hour starts with
// it. Several parts are in flight at a time, and failed requests are repeated. Content that is
// stored already is not sent.
func (c *Client) UploadSource(ctx context.Context, pipeline hodei.PipelineRef, b hodei.Blob, content io.ReaderAt) error {
	return transfer.Put(ctx, transfer.Wire{
		Begin: func(ctx context.Context, b hodei.Blob) (schemas.Upload, error) {
			return c.BeginSource(ctx, schemas.BeginSourceRequest{ID: pipeline, Blob: b})
		},
		Write: func(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error {
			_, err := c.WriteSource(ctx, schemas.WriteSourceRequest{ID: pipeline, UploadID: id, Offset: offset, Data: data})
			return err
		},
		Commit: func(ctx context.Context, id hodei.BlobID) error {
			_, err := c.CommitSource(ctx, schemas.CommitSourceRequest{ID: pipeline, UploadID: id})
			return err
		},
	}, b, content)
}

// BeginSource begins or resumes the upload of a tree. UploadSource makes the complete upload.
func (c *Client) BeginSource(ctx context.Context, req schemas.BeginSourceRequest) (schemas.Upload, error) {
	return call(ctx, c, schemas.BeginSource, req)
}

// WriteSource writes a part of an upload. UploadSource makes the complete upload.
func (c *Client) WriteSource(ctx context.Context, req schemas.WriteSourceRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.WriteSource, req)
}

// CommitSource verifies an upload and stores it. UploadSource makes the complete upload.
func (c *Client) CommitSource(ctx context.Context, req schemas.CommitSourceRequest) (hodei.Blob, error) {
	return call(ctx, c, schemas.CommitSource, req)
}
