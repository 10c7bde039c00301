package client

import (
	"context"
	"iter"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// AllPipelines yields all pipelines, newest first, page by page; the request's
// Limit is the length of a page. An error is the last element.
func (c *Client) AllPipelines(ctx context.Context, req schemas.ListPipelinesRequest) iter.Seq2[hodei.Pipeline, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Pipeline], error) {
		req := req
		req.Page = page
		return c.ListPipelines(ctx, req)
	})
}

// AllJobs yields every job that the request selects; see AllPipelines.
func (c *Client) AllJobs(ctx context.Context, req schemas.ListJobsRequest) iter.Seq2[hodei.Job, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Job], error) {
		req := req
		req.Page = page
		return c.ListJobs(ctx, req)
	})
}

// AllExecutions yields every execution that the request selects; see
// AllPipelines.
func (c *Client) AllExecutions(ctx context.Context, req schemas.ListExecutionsRequest) iter.Seq2[hodei.Execution, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Execution], error) {
		req := req
		req.Page = page
		return c.ListExecutions(ctx, req)
	})
}

// AllWorkers yields every worker that the request selects; see AllPipelines.
func (c *Client) AllWorkers(ctx context.Context, req schemas.ListWorkersRequest) iter.Seq2[hodei.Worker, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Worker], error) {
		req := req
		req.Page = page
		return c.ListWorkers(ctx, req)
	})
}

// AllReports yields every artifact with test reports of the last runs of a pipeline; see
// AllPipelines.
func (c *Client) AllReports(ctx context.Context, req schemas.ListReportsRequest) iter.Seq2[hodei.Artifact, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Artifact], error) {
		req := req
		req.Page = page
		return c.ListReports(ctx, req)
	})
}

// AllArtifacts yields every artifact of a run; see AllPipelines.
func (c *Client) AllArtifacts(ctx context.Context, req schemas.ListArtifactsRequest) iter.Seq2[hodei.Artifact, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Artifact], error) {
		req := req
		req.Page = page
		return c.ListArtifacts(ctx, req)
	})
}

// AllCaches yields every cache of a pipeline; see AllPipelines.
func (c *Client) AllCaches(ctx context.Context, req schemas.ListCachesRequest) iter.Seq2[hodei.Cache, error] {
	return all(req.Page, func(page schemas.Page) (schemas.List[hodei.Cache], error) {
		req := req
		req.Page = page
		return c.ListCaches(ctx, req)
	})
}

// pageSize is the length of a page if the request has none.
const pageSize = 500

// all yields the records of the page and of all later pages.
func all[T any](page schemas.Page, read func(schemas.Page) (schemas.List[T], error)) iter.Seq2[T, error] {
	if page.Limit == 0 {
		page.Limit = pageSize
	}
	return func(yield func(T, error) bool) {
		for page := page; ; {
			list, err := read(page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range list.Items {
				if !yield(item, nil) {
					return
				}
			}
			if list.NextCursor == nil {
				return
			}
			page.Cursor = *list.NextCursor
		}
	}
}
