package definition

import (
	"strings"

	"github.com/hodei-jobs/hodei"
)

// Called are the slugs of the pipelines that the jobs of a definition start.
func Called(def hodei.Definition) []string {
	var slugs []string
	for _, job := range def.Jobs {
		if job.Pipeline != nil {
			slugs = append(slugs, job.Pipeline.Slug)
		}
	}
	return slugs
}

// CheckCalls reports jobs that start, through other pipelines, the pipeline itself again.
// Recorded has the pipelines that can be reached, by their slugs, with those that their
// jobs start. A pipeline that is not among them is a warning: it may be applied later.
func CheckCalls(def hodei.Definition, recorded map[string][]string) []hodei.Problem {
	c := &checker{def: def}
	for i := range def.Jobs {
		job := &def.Jobs[i]
		if job.Pipeline == nil || job.Pipeline.Slug == def.Slug {
			continue // Check reports a job that starts its own pipeline
		}
		slug, where := job.Pipeline.Slug, under(jobPath(job), "pipeline.slug")
		if way := wayBack(slug, def.Slug, recorded, map[string]bool{}); way != nil {
			c.add(where, "a cycle: %s → %s", def.Slug, strings.Join(way, " → "))
		} else if _, ok := recorded[slug]; !ok {
			c.warn(where, "no pipeline has the slug %q yet: until it is applied the job fails", clip(slug))
		}
	}
	return c.list
}

// wayBack are the slugs from one pipeline to another that it starts, through others; nil
// if it does not.
func wayBack(from, to string, recorded map[string][]string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, next := range recorded[from] {
		if way := wayBack(next, to, recorded, seen); way != nil {
			return append([]string{from}, way...)
		}
	}
	return nil
}
