package orchestrator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// applyPipeline creates or changes a pipeline by its definition.
func (o *Orchestrator) applyPipeline(ctx context.Context, req schemas.ApplyPipelineRequest) (schemas.AppliedPipeline, error) {
	out := schemas.AppliedPipeline{Changes: []hodei.Change{}, Warnings: []hodei.Problem{}}
	def, problems, err := o.read(ctx, req)
	if err != nil {
		return out, err
	}
	if err := hodei.InvalidDefinition(definition.Obstacles(problems)); err != nil {
		return out, err
	}
	if err := checkSlug(&def.Slug); err != nil {
		return out, err
	}
	out.Warnings = append(out.Warnings, definition.Warnings(problems)...)
	pipeline, created, err := o.db.Apply(ctx, def.Slug, func(now *postgres.Recorded) (*postgres.Revised, error) {
		out.Changes, out.Pipeline = out.Changes[:0], nil
		if now == nil {
			out.Changes = append(out.Changes, definition.Created(def)...)
		} else {
			out.Pipeline = &now.Pipeline
			out.Changes = append(out.Changes, definition.Compare(defined(*now), def)...)
		}
		if req.DryRun || now != nil && len(out.Changes) == 0 {
			return nil, nil
		}
		return revised(now, def), nil
	})
	if err == nil && !pipeline.ID.IsZero() {
		out.Pipeline, out.New = &pipeline, created
		o.announceSchedule()
	}
	return out, err
}

// read parses the definition of a request, given as text or as fields. Problems of fields
// have no line.
func (o *Orchestrator) read(ctx context.Context, req schemas.ApplyPipelineRequest) (def hodei.Definition, problems []hodei.Problem, err error) {
	calls := func(def hodei.Definition) (found []hodei.Problem) {
		found, err = o.checkCalls(ctx, def)
		return append(found, definition.CheckTimes(def, time.Now())...)
	}
	switch {
	case req.Document == "" && len(req.Fields) == 0:
		return hodei.Definition{}, nil, hodei.InvalidField("body", "the definition of the pipeline is required")
	case req.Document == "":
		def, problems = definition.ParseFor(req.Slug, req.Fields, definition.JSON, calls)
		for i := range problems {
			problems[i].Line, problems[i].Column = 0, 0
		}
		return def, problems, err
	case len(req.Fields) > 0:
		return hodei.Definition{}, nil, hodei.InvalidField("document", "give the text of the definition or its fields, not both")
	}
	format := definition.Format(cmp.Or(req.Format, schemas.FormatYAML))
	def, problems = definition.ParseFor(req.Slug, []byte(req.Document), format, calls)
	return def, problems, err
}

// checkCalls checks the pipelines that the definition starts. Two pipelines that are
// applied at once may still form a cycle: their runs end at the greatest depth.
func (o *Orchestrator) checkCalls(ctx context.Context, def hodei.Definition) ([]hodei.Problem, error) {
	called := definition.Called(def)
	if len(called) == 0 {
		return nil, nil
	}
	for _, slug := range called {
		if hodei.PipelinesOf(ctx) == nil {
			break
		}
		if _, err := o.db.PipelineID(ctx, hodei.PipelineRef(slug)); errors.Is(err, hodei.NotFound) {
			return nil, hodei.Errorf(hodei.Forbidden, "Your token is limited to certain pipelines, %s is none of them", slug)
		} else if err != nil {
			return nil, err
		}
	}
	recorded, err := o.db.Calls(ctx, called)
	if err != nil {
		return nil, err
	}
	return definition.CheckCalls(def, recorded), nil
}

// getDefinition returns the definition of a pipeline.
func (o *Orchestrator) getDefinition(ctx context.Context, req schemas.GetDefinitionRequest) (schemas.PipelineDocument, error) {
	id, err := o.db.PipelineID(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	now, err := o.db.Recorded(ctx, id)
	if err != nil {
		return nil, err
	}
	return schemas.PipelineDocument(definition.ToJSON(defined(now))), nil
}

// defined returns the recorded definition of a pipeline. A job without a key gets the key
// that it has in runs.
func defined(now postgres.Recorded) hodei.Definition {
	def := hodei.Definition{Description: now.Description, Settings: now.Settings}
	if now.Slug != nil {
		def.Slug = *now.Slug
	}
	if now.Name != def.Slug {
		def.Name = now.Name
	}
	def.Hooks = nil
	for _, h := range now.Hooks {
		def.Hooks = append(def.Hooks, h.HookSpec)
	}
	def.Schedules = nil
	for _, s := range now.Schedules {
		def.Schedules = append(def.Schedules, s.ScheduleSpec)
	}
	keys := run.Keys(now.Jobs)
	def.Order = keys
	for i, job := range now.Jobs {
		one := hodei.JobDefinition{Name: job.Name, Description: job.Description, Type: job.Type, Spec: job.Spec}
		one.Key = keys[i]
		def.Jobs = append(def.Jobs, one)
	}
	return def
}

// revised returns the changes that make the recorded pipeline equal the definition. Jobs are
// matched by their keys. now is nil for a new pipeline.
func revised(now *postgres.Recorded, def hodei.Definition) *postgres.Revised {
	next := &postgres.Revised{Name: cmp.Or(def.Name, def.Slug), Description: def.Description, Settings: def.Settings}
	next.Settings.Schedules, next.Settings.Hooks = nil, nil // they are rows
	before := map[string]hodei.Job{}
	if now == nil {
		next.Schedules, next.Hooks = matchSchedules(nil, def.Schedules), matchHooks(nil, def.Hooks)
	} else {
		next.Schedules, next.Hooks = matchSchedules(now.Schedules, def.Schedules), matchHooks(now.Hooks, def.Hooks)
		for i, key := range run.Keys(now.Jobs) {
			before[key] = now.Jobs[i]
		}
	}
	for _, d := range def.Jobs {
		old, ok := before[d.Key]
		delete(before, d.Key)
		job := jobOf(old.ID, d)
		if !ok || !same(old, job) {
			next.Jobs = append(next.Jobs, job)
		}
	}
	for _, gone := range before {
		next.Gone = append(next.Gone, gone.ID)
	}
	return next
}

// jobOf converts a job definition to a job.
func jobOf(id hodei.JobID, d hodei.JobDefinition) hodei.Job {
	return hodei.Job{ID: id, Name: d.Name, Description: d.Description, Type: d.Type, Spec: d.Spec}
}

// matchSchedules returns the schedules of a definition, each with the id of the existing
// schedule that it replaces. An existing schedule matches if it has the same name, or else is
// equal, or else has the same times, or else if one of the two has no name.
func matchSchedules(now []hodei.Schedule, specs []hodei.ScheduleSpec) []hodei.Schedule {
	out := make([]hodei.Schedule, len(specs))
	free := slices.Clone(now)
	for _, same := range []func(a, b hodei.ScheduleSpec) bool{
		func(a, b hodei.ScheduleSpec) bool { return a.Name != "" && a.Name == b.Name },
		func(a, b hodei.ScheduleSpec) bool { return reflect.DeepEqual(a, b) },
		func(a, b hodei.ScheduleSpec) bool { return a.SameTimes(b) },
		func(a, b hodei.ScheduleSpec) bool { return a.Name == "" || b.Name == "" },
	} {
		for i, spec := range specs {
			out[i].ScheduleSpec = spec
			if !out[i].ID.IsZero() {
				continue
			}
			if at := slices.IndexFunc(free, func(s hodei.Schedule) bool { return same(s.ScheduleSpec, spec) }); at >= 0 {
				out[i].ID = free[at].ID
				free = slices.Delete(free, at, at+1)
			}
		}
	}
	return out
}

// checkJob checks a new or changed job together with the other jobs of its pipeline, by the
// rules of hodei.yaml. A new job with neither graph nor setup nor retries.on needs no check.
func (o *Orchestrator) checkJob(ctx context.Context, job hodei.Job) error {
	plain := reflect.ValueOf(job.Graph).IsZero() && reflect.ValueOf(job.Setup).IsZero() && (job.Retries == nil || len(job.Retries.On) == 0)
	if plain && job.ID.IsZero() {
		return nil
	}
	now, err := o.db.Recorded(ctx, job.PipelineID)
	if err != nil {
		return err
	}
	before := definition.Obstacles(definition.Check(defined(now)))
	at := slices.IndexFunc(now.Jobs, func(j hodei.Job) bool { return j.ID == job.ID })
	if at < 0 {
		at, now.Jobs = len(now.Jobs), append(now.Jobs, job)
	}
	now.Jobs[at] = job
	def := defined(now)
	calls, err := o.checkCalls(ctx, def)
	if err != nil {
		return err
	}
	problems := definition.Obstacles(append(definition.Check(def), calls...))
	if own := definition.OfJob(def.Jobs[at], problems); len(own) > 0 {
		return hodei.InvalidDefinition(own)
	}
	for _, p := range problems { // of a job that needs this one, or is in a cycle with it
		if !slices.Contains(before, p) && strings.HasPrefix(p.Field, "jobs.") {
			field := "key"
			if strings.Contains(p.Issue, "cycle") {
				field = "needs"
			}
			return hodei.InvalidField(field, p.Field+": "+p.Issue)
		}
	}
	return nil
}

// readDefinition reads the definition in the repository of a run. Params of the run that the
// definition does not declare are left out.
func readDefinition(g hodei.Grant, text string) (run.Source, error) {
	def, problems := definition.ParseFor(g.Slug, []byte(text), definition.FormatOf(g.File), func(def hodei.Definition) []hodei.Problem {
		return definition.CheckGrant(def, g)
	})
	if err := hodei.InvalidDefinition(definition.Obstacles(problems)); err != nil {
		return run.Source{}, err
	}
	from := run.Source{Settings: def.Settings, Params: map[string]hodei.Scalar{}}
	for _, d := range def.Jobs {
		from.Jobs = append(from.Jobs, jobOf(g.Jobs[d.Key], d))
	}
	for _, p := range def.Params {
		if value, given := g.Params[p.Name]; given {
			from.Params[p.Name] = value
		}
	}
	return from, nil
}

// same reports whether two jobs have the same definition.
func same(a, b hodei.Job) bool {
	spec := func(j hodei.Job) (out any) {
		body, err := hodei.JSON(j.Spec)
		if err != nil || json.Unmarshal(body, &out) != nil {
			return nil
		}
		return out
	}
	return reflect.DeepEqual(a.Name, b.Name) && reflect.DeepEqual(a.Description, b.Description) &&
		reflect.DeepEqual(a.Type, b.Type) && reflect.DeepEqual(spec(a), spec(b))
}
