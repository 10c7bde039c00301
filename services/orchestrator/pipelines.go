package orchestrator

import (
	"cmp"
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (o *Orchestrator) createPipeline(ctx context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
	if err := checkSlug(req.Slug); err != nil {
		return hodei.Pipeline{}, err
	}
	return o.db.CreatePipeline(ctx, hodei.Pipeline{Name: req.Name, Description: req.Description, Slug: req.Slug})
}

func (o *Orchestrator) getPipeline(ctx context.Context, req schemas.GetPipelineRequest) (hodei.Pipeline, error) {
	id, err := o.db.PipelineID(ctx, req.ID)
	if err != nil {
		return hodei.Pipeline{}, err
	}
	return o.db.GetPipelineWith(ctx, id, req.Recent)
}

func (o *Orchestrator) listPipelines(ctx context.Context, req schemas.ListPipelinesRequest) (schemas.List[hodei.Pipeline], error) {
	items, next, err := o.db.ListPipelines(ctx, between(req.Created), req.Recent, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Pipeline]{Items: items, NextCursor: next}, err
}

func between(c schemas.Created) postgres.Between {
	return postgres.Between{From: c.CreatedAfter, To: c.CreatedBefore}
}

func (o *Orchestrator) updatePipeline(ctx context.Context, req schemas.UpdatePipelineRequest) (hodei.Pipeline, error) {
	if err := checkSlug(req.Slug.OrNull(nil)); err != nil {
		return hodei.Pipeline{}, err
	}
	id, err := o.db.PipelineID(ctx, req.ID)
	if err != nil {
		return hodei.Pipeline{}, err
	}
	return o.db.UpdatePipeline(ctx, id, func(p *hodei.Pipeline) {
		p.Name, p.Description = req.Name.Or(p.Name), req.Description.OrNull(p.Description)
		p.Slug = req.Slug.OrNull(p.Slug)
	})
}

func (o *Orchestrator) deletePipeline(ctx context.Context, req schemas.DeletePipelineRequest) (schemas.Empty, error) {
	id, err := o.db.PipelineID(ctx, req.ID)
	if err != nil {
		return schemas.Empty{}, err
	}
	return schemas.Empty{}, o.db.DeletePipeline(ctx, id)
}

// checkSlug refuses a slug that reads as an id; the form of the others is checked
// by the schema.
func checkSlug(slug *string) error {
	if slug != nil && !hodei.IsSlug(*slug) {
		return hodei.InvalidField("slug", "must not be a UUID")
	}
	return nil
}

// resolve returns the ids for the references in a field of a body or a query; nil for none.
func resolve[K hodei.Kind](ctx context.Context, field string, refs []hodei.Ref[K], find func(context.Context, hodei.Ref[K]) (hodei.ID[K], error)) ([]hodei.ID[K], error) {
	var ids []hodei.ID[K]
	for _, ref := range refs {
		id, err := find(ctx, ref)
		if errors.Is(err, hodei.NotFound) {
			return nil, ref.Unknown(field)
		} else if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// resolveOne is resolve for a field with one reference; nil stays nil.
func resolveOne[K hodei.Kind](ctx context.Context, field string, ref *hodei.Ref[K], find func(context.Context, hodei.Ref[K]) (hodei.ID[K], error)) (*hodei.ID[K], error) {
	if ref == nil {
		return nil, nil
	}
	ids, err := resolve(ctx, field, []hodei.Ref[K]{*ref}, find)
	if err != nil {
		return nil, err
	}
	return &ids[0], nil
}

func (o *Orchestrator) createJob(ctx context.Context, req schemas.CreateJobRequest) (hodei.Job, error) {
	spec, err := req.Spec()
	if err != nil {
		return hodei.Job{}, err
	}
	pipeline, err := resolveOne(ctx, "pipeline_id", &req.PipelineID, o.db.PipelineID)
	if err != nil {
		return hodei.Job{}, err
	}
	job := hodei.Job{
		PipelineID: *pipeline, Name: req.Name, Description: req.Description,
		Type: spec.Requirements.Type, Spec: spec,
	}
	if err := o.checkJob(ctx, job); err != nil {
		return hodei.Job{}, err
	}
	return o.db.CreateJob(ctx, job)
}

func (o *Orchestrator) getJob(ctx context.Context, req schemas.GetJobRequest) (hodei.Job, error) {
	return o.db.GetJobWith(ctx, req.ID, req.Recent)
}

func (o *Orchestrator) listJobs(ctx context.Context, req schemas.ListJobsRequest) (schemas.List[hodei.Job], error) {
	states, err := schemas.States("status", req.Status, hodei.ExecutionTransitions)
	if err != nil {
		return schemas.List[hodei.Job]{}, err
	}
	pipelines, err := resolve(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return schemas.List[hodei.Job]{}, err
	}
	items, next, err := o.db.ListJobs(ctx,
		postgres.JobFilter{PipelineIDs: pipelines, States: states, Created: between(req.Created), Recent: req.Recent},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Job]{Items: items, NextCursor: next}, err
}

// updateJob changes a job. A change of its graph, setup, retries or command is checked first,
// together with the other jobs of the pipeline.
func (o *Orchestrator) updateJob(ctx context.Context, req schemas.UpdateJobRequest) (hodei.Job, error) {
	change := func(j *hodei.Job) error {
		j.Name, j.Description = req.Name.OrNull(j.Name), req.Description.OrNull(j.Description)
		if req.Command.Set {
			j.Command = req.Command.Or(hodei.Command{})
		}
		j.Environment, j.Priority = req.Environment.Or(j.Environment), req.Priority.Or(j.Priority)
		j.TimeoutSeconds = req.TimeoutSeconds.OrNull(j.TimeoutSeconds)
		j.Retries, j.WorkingDir = req.Retries.OrNull(j.Retries), req.WorkingDir.OrNull(j.WorkingDir)
		j.LogLimit = req.LogLimit.OrNull(j.LogLimit)
		return cmp.Or(req.Apply(&j.Spec), checkUpdate(req), updateNeeds(req, j))
	}
	if !req.PlaceUpdate.IsZero() || req.Retries.Set || req.Command.Set {
		job, err := o.db.GetJob(ctx, req.ID)
		if err == nil {
			err = change(&job)
		}
		if err == nil {
			err = o.checkJob(ctx, job)
		}
		if err != nil {
			return hodei.Job{}, err
		}
	}
	return o.db.UpdateJob(ctx, req.ID, change)
}

// checkUpdate checks only the given fields, so that a job that exceeds a newer limit can
// still be renamed.
func checkUpdate(req schemas.UpdateJobRequest) error {
	spec := hodei.Spec{Command: req.Command.Or(hodei.Command{}), Environment: req.Environment.Or(nil)}
	spec.Requirements = req.Requirements.Or(hodei.Requirements{})
	return cmp.Or(spec.CheckVariables(), spec.Check())
}

// updateNeeds changes the requirements and the worker type, which is a field of both the job
// and the requirements.
func updateNeeds(req schemas.UpdateJobRequest, j *hodei.Job) error {
	kind, needs := req.Type.OrNull(j.Type), j.Requirements
	if req.Requirements.Set {
		needs = hodei.Requirements{}
		if req.Requirements.Value != nil {
			needs = *req.Requirements.Value
		}
	}
	switch {
	case req.Type.Set && !req.Requirements.Set:
		needs.Type = kind
	case !req.Type.Set && req.Requirements.Set:
		kind = needs.Type
	}
	var err error
	j.Requirements, err = schemas.Needs(kind, &needs)
	j.Type = j.Requirements.Type
	return err
}

func (o *Orchestrator) deleteJob(ctx context.Context, req schemas.DeleteJobRequest) (schemas.Empty, error) {
	return schemas.Empty{}, o.db.DeleteJob(ctx, req.ID)
}
