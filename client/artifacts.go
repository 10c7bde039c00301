package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
)

// ListArtifacts returns a page of the artifacts of a run, newest first.
func (c *Client) ListArtifacts(ctx context.Context, req schemas.ListArtifactsRequest) (schemas.List[hodei.Artifact], error) {
	return call(ctx, c, schemas.ListArtifacts, req)
}

// ListReports returns a page of the artifacts with test reports of the last runs of a
// pipeline, newest first.
func (c *Client) ListReports(ctx context.Context, req schemas.ListReportsRequest) (schemas.List[hodei.Artifact], error) {
	return call(ctx, c, schemas.ListReports, req)
}

// GetArtifact returns an artifact, or NOT_FOUND.
func (c *Client) GetArtifact(ctx context.Context, req schemas.GetArtifactRequest) (hodei.Artifact, error) {
	return call(ctx, c, schemas.GetArtifact, req)
}

// DeleteArtifact deletes an artifact.
func (c *Client) DeleteArtifact(ctx context.Context, req schemas.DeleteArtifactRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteArtifact, req)
}

// ListCaches returns a page of the caches of a pipeline, newest first.
func (c *Client) ListCaches(ctx context.Context, req schemas.ListCachesRequest) (schemas.List[hodei.Cache], error) {
	return call(ctx, c, schemas.ListCaches, req)
}

// DeleteCache deletes a cache.
func (c *Client) DeleteCache(ctx context.Context, req schemas.DeleteCacheRequest) (schemas.Empty, error) {
	return call(ctx, c, schemas.DeleteCache, req)
}

// OpenArtifact reads the content of an artifact, a tar archive in a zstd frame. Failed requests
// are repeated. The last Read returns an error instead of io.EOF if the size or the digest of
// the content is wrong. The caller must call Close.
func (c *Client) OpenArtifact(ctx context.Context, a hodei.Artifact) io.ReadCloser {
	return transfer.Open(ctx, transfer.Wire{Read: func(ctx context.Context, _ hodei.Blob, offset int64) ([]byte, error) {
		return c.via.readArtifact(rpc.WithRequestID(ctx, rpc.RequestID(ctx)), a.ID, offset)
	}}, hodei.Blob{SHA256: a.SHA256, Size: a.Size})
}

func (t overNATS) readArtifact(ctx context.Context, id hodei.ArtifactID, offset int64) ([]byte, error) {
	chunk, err := rpc.Call(ctx, t.nc, schemas.ReadArtifact, schemas.ReadArtifactRequest{ID: id, Offset: offset})
	return chunk.Data, err
}

func (t *overHTTP) readArtifact(ctx context.Context, id hodei.ArtifactID, offset int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, partWithin)
	defer cancel()
	req, err := t.newRequest(ctx, "GET", t.base+"/artifacts/"+id.String()+"/content", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+schemas.ChunkBytes-1))
	resp, err := t.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent {
		return nil, hodei.Errorf(hodei.Invalid, "%s answered a request for a part with %s", t.base, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, schemas.ChunkBytes+1))
	if err != nil {
		return nil, t.failed(ctx, err)
	}
	return data, nil
}

// partWithin is the time for one part over HTTP.
const partWithin = time.Minute
