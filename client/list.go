package client

import (
	"cmp"
	"context"
	"iter"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// AllPipelines yields all pipelines, newest first, page by page; the request's
// Limit is the length of a page. An error is the last element.
func (c *Client) AllPipelines(ctx context.Context, req schemas.ListPipelinesRequest) iter.Seq2[hodei.Pipeline, error] {
	return all(ctx, req, func(r *schemas.ListPipelinesRequest) *schemas.Page { return &r.Page }, c.ListPipelines)
}

// AllJobs yields every job that the request selects; see AllPipelines.
func (c *Client) AllJobs(ctx context.Context, req schemas.ListJobsRequest) iter.Seq2[hodei.Job, error] {
	return all(ctx, req, func(r *schemas.ListJobsRequest) *schemas.Page { return &r.Page }, c.ListJobs)
}

// AllExecutions yields every execution that the request selects; see
// AllPipelines.
func (c *Client) AllExecutions(ctx context.Context, req schemas.ListExecutionsRequest) iter.Seq2[hodei.Execution, error] {
	return all(ctx, req, func(r *schemas.ListExecutionsRequest) *schemas.Page { return &r.Page }, c.ListExecutions)
}

// AllWorkers yields every worker that the request selects; see AllPipelines.
func (c *Client) AllWorkers(ctx context.Context, req schemas.ListWorkersRequest) iter.Seq2[hodei.Worker, error] {
	return all(ctx, req, func(r *schemas.ListWorkersRequest) *schemas.Page { return &r.Page }, c.ListWorkers)
}

// AllReports yields every artifact with test reports of the last runs of a pipeline; see
// AllPipelines.
func (c *Client) AllReports(ctx context.Context, req schemas.ListReportsRequest) iter.Seq2[hodei.Artifact, error] {
	return all(ctx, req, func(r *schemas.ListReportsRequest) *schemas.Page { return &r.Page }, c.ListReports)
}

// AllArtifacts yields every artifact of a run; see AllPipelines.
func (c *Client) AllArtifacts(ctx context.Context, req schemas.ListArtifactsRequest) iter.Seq2[hodei.Artifact, error] {
	return all(ctx, req, func(r *schemas.ListArtifactsRequest) *schemas.Page { return &r.Page }, c.ListArtifacts)
}

// AllCaches yields every cache of a pipeline; see AllPipelines.
func (c *Client) AllCaches(ctx context.Context, req schemas.ListCachesRequest) iter.Seq2[hodei.Cache, error] {
	return all(ctx, req, func(r *schemas.ListCachesRequest) *schemas.Page { return &r.Page }, c.ListCaches)
}

// pageSize is the length of a page if the request has none.
const pageSize = 500

// all yields the records of the request's page and of all later pages. page returns the page of
// a request.
func all[Req, T any](ctx context.Context, req Req, page func(*Req) *schemas.Page, list func(context.Context, Req) (schemas.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		req := req
		page := page(&req)
		page.Limit = cmp.Or(page.Limit, pageSize)
		for {
			got, err := list(ctx, req)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range got.Items {
				if !yield(item, nil) {
					return
				}
			}
			if got.NextCursor == nil {
				return
			}
			page.Cursor = *got.NextCursor
		}
	}
}
