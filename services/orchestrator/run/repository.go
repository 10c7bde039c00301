package run

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// definitionOutput is the output of the job source with the text of the definition. It is stored
// only with the execution. In the job, all jobs that need source would receive it.
const definitionOutput = "definition"

// Reader reads the text of a definition in a repository, within the grant. Its errors are for
// users.
type Reader func(g hodei.Grant, text string) (Source, error)

// awaitDefinition makes the job that fetches the source the only job of the run. The definition
// in the source adds the others.
func awaitDefinition(r *hodei.Run, from Source) error {
	if from.Settings.Source == nil {
		return hodei.InvalidField("definition", "the pipeline has no source to read the file from")
	}
	r.Definition, r.Jobs = hodei.DefinitionRepository, []hodei.RunJob{}
	r.Plan.Grant = &hodei.Grant{File: cmp.Or(from.Settings.Source.Definition, hodei.DefinitionFile), Slug: text(r.Pipeline), Params: from.Params}
	Renew(r, from.Jobs)
	if err := addSource(r, from); err != nil {
		return err
	}
	r.Jobs[0].Spec.Environment["SOURCE_DEFINITION"] = r.Plan.Grant.File
	return nil
}

// Renew updates the grant of a run that has not read its definition yet to what the jobs of the
// pipeline use now. It does not change other runs.
func Renew(r *hodei.Run, jobs []hodei.Job) {
	if r.Plan.Grant == nil {
		return
	}
	g := hodei.Grant{File: r.Plan.Grant.File, Slug: r.Plan.Grant.Slug, Params: r.Plan.Grant.Params, Jobs: map[string]hodei.JobID{}}
	for i, key := range Keys(jobs) {
		g.Jobs[key] = jobs[i].ID
		for _, s := range jobs[i].Secrets {
			g.Secrets = append(g.Secrets, s.Name)
		}
		if call := jobs[i].Pipeline; call != nil {
			g.Pipelines = append(g.Pipelines, call.Slug)
		}
	}
	slices.Sort(g.Secrets)
	slices.Sort(g.Pipelines)
	g.Secrets, g.Pipelines = slices.Compact(g.Secrets), slices.Compact(g.Pipelines)
	r.Plan.Grant = &g
}

// adopt adds the jobs of the definition that the job source has found to the run. If the
// definition is missing or not valid, the job source fails.
func (a *advance) adopt(i int) {
	j := &a.r.Jobs[i]
	if j.Spec.Source != hodei.SourceFetched {
		return
	}
	definition, found := j.Outputs[definitionOutput]
	j.Outputs = maps.Clone(j.Outputs)
	delete(j.Outputs, definitionOutput)
	grant := a.r.Plan.Grant
	if grant == nil { // a rerun has its jobs already
		return
	}
	next := *a.r
	err := error(hodei.Errorf(hodei.Invalid, "no such file in the commit"))
	if found {
		err = a.expand(&next, *grant, definition)
	}
	if err != nil {
		j.Status, j.Reason, j.Message = hodei.JobFailed, new(hodei.ReasonDefinition), new(unreadable(grant.File, err))
		return
	}
	plan := &a.r.Plan
	plan.Grant, plan.FailFast, plan.TimeoutSeconds = nil, next.Plan.FailFast, next.Plan.TimeoutSeconds
	a.r.Params, a.out.Adopted, a.out.Added = next.Params, true, map[string]bool{}
	for _, job := range next.Jobs[1:] { // the first one is source again
		a.r.Jobs = append(a.r.Jobs, job)
		a.index(len(a.r.Jobs) - 1)
		a.out.Added[job.Key], a.changed[job.Key] = true, true
	}
}

// expand fills in a copy of the run with the jobs, the params and the plan of the definition.
func (a *advance) expand(next *hodei.Run, grant hodei.Grant, definition string) error {
	from, err := a.read(grant, definition)
	if err != nil {
		return err
	}
	from.Settings.Source, from.NoSecrets = &hodei.Source{}, a.r.Plan.NoSecrets // the fetched source is the one of the applied definition
	return Expand(next, from)
}

// unreadable returns the problems of the file in the form of a compiler's messages.
func unreadable(file string, err error) string {
	details := hodei.AsError(err).Details
	if details == nil || len(details.Problems) == 0 {
		return file + ": " + Issue(err)
	}
	texts := make([]string, len(details.Problems))
	for i, p := range details.Problems {
		separator := ": "
		if p.Line > 0 {
			separator = ":"
		}
		texts[i] = fmt.Sprint(file, separator, p)
	}
	return few(texts, "")
}
