package definition

import (
	"fmt"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// NoSource is the issue of a hook or a schedule with definition: repository if the pipeline has
// no source.
const NoSource = "repository: the pipeline has no source to read the file from"

// hookOfRepository checks a hook whose runs use the file in the pushed commit. A push to its
// branches and tags is trusted, so both must be listed explicitly.
func (c *checker) hookOfRepository(path string, h hodei.HookSpec) {
	where := under(path, "definition")
	pushes := len(h.Events) == 0 || slices.Contains(h.Events, string(hodei.TriggerPush))
	switch {
	case h.Kind == hodei.HookGeneric:
		c.add(where, "repository: the sender of a generic hook names no pushed commit")
	case c.def.Source == nil:
		c.add(where, NoSource)
	case pushes && len(h.Branches) == 0:
		c.add(under(path, "branches"), "required with definition: repository, because a push to one of these branches decides what the run executes; \"**\" matches all branches")
	case !pushes && len(h.Tags) == 0:
		c.add(where, "repository: pull requests use the definition that was applied, and pull_request is the only event of the hook")
	}
}

// CheckGrant reports secrets and pipelines that the definition in a repository uses without a
// grant.
func CheckGrant(def hodei.Definition, g hodei.Grant) []hodei.Problem {
	c := &checker{def: def}
	for i := range def.Jobs {
		job := &def.Jobs[i]
		for n, s := range job.Secrets {
			if !slices.Contains(g.Secrets, s.Name) {
				c.add(fmt.Sprintf("%s.secrets[%d]", jobPath(job), n), "no job of the applied definition receives the secret %q: apply the file first", clip(s.Name))
			}
		}
		if call := job.Pipeline; call != nil && !slices.Contains(g.Pipelines, call.Slug) {
			c.add(under(jobPath(job), "pipeline.slug"), "no job of the applied definition starts the pipeline %q: apply the file first", clip(call.Slug))
		}
	}
	return c.list
}
