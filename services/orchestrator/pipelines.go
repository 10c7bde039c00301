package orchestrator

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (o *Orchestrator) createPipeline(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
	return o.db.CreatePipeline(ctx, req.Name, req.Description)
}

func (o *Orchestrator) getPipeline(ctx context.Context, req schemas.GetPipelineRequest) (hodei.Pipeline, error) {
	return o.db.GetPipeline(ctx, req.ID)
}

func (o *Orchestrator) listPipelines(ctx context.Context, req schemas.ListPipelinesRequest) (schemas.List[hodei.Pipeline], error) {
	items, next, err := o.db.ListPipelines(ctx, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Pipeline]{Items: items, NextCursor: next}, err
}

func (o *Orchestrator) createJob(ctx context.Context, req schemas.CreateJobRequest) (hodei.Job, error) {
	spec, err := req.Spec()
	if err != nil {
		return hodei.Job{}, err
	}
	return o.db.CreateJob(ctx, hodei.Job{
		PipelineID: req.PipelineID, Name: req.Name, Description: req.Description,
		Type: spec.Requirements.Type, Spec: spec,
	})
}

func (o *Orchestrator) getJob(ctx context.Context, req schemas.GetJobRequest) (hodei.Job, error) {
	return o.db.GetJob(ctx, req.ID)
}

func (o *Orchestrator) listJobs(ctx context.Context, req schemas.ListJobsRequest) (schemas.List[hodei.Job], error) {
	items, next, err := o.db.ListJobs(ctx, postgres.JobFilter{PipelineID: req.PipelineID, Status: req.Status},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Job]{Items: items, NextCursor: next}, err
}
