package definition

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hodei-jobs/hodei"
)

// setup checks the environment of the command.
func (c *checker) setup(at string, job *hodei.JobDefinition, s scope) {
	if job.Pipeline == nil {
		c.environment(under(at, "env"), job.Environment, s)
	}
	c.requirements(at, job, s)
	if err := job.Spec.Validate(); err != nil {
		details := hodei.AsError(err).Details
		c.add(under(at, inFile(details.Field)), "%s", details.Issue)
	}
	if job.Container != nil {
		s.text(under(at, "container.image"), job.Container.Image)
	}
	c.services(at, job, s)
	c.artifacts(at, job, s)
	c.caches(at, job, s)
	for i, secret := range job.Secrets {
		if secret.As == "" && !secret.AsFile && !variable.MatchString(secret.Name) {
			c.add(fmt.Sprintf("%s.secrets[%d]", at, i), "%q is no name of a variable: give one in as", clip(secret.Name))
		}
	}
	noReferences(c, under(at, "run_as"), job.RunAs)
}

// inFile is a field of a job as the file names it.
func inFile(field string) string {
	first, rest, nested := strings.Cut(field, ".")
	for _, r := range jobRules() {
		if r.json == first {
			first = r.name
		}
	}
	if nested {
		first += "." + rest
	}
	return first
}

func (c *checker) requirements(at string, job *hodei.JobDefinition, s scope) {
	where := under(at, "requirements")
	if kind := job.Requirements.Type; kind != nil {
		s.text(under(at, "type"), *kind)
	}
	for _, label := range sorted(job.Requirements.Labels) {
		s.text(under(under(where, "labels"), label), label)
		s.text(under(under(where, "labels"), label), job.Requirements.Labels[label])
	}
	if err := job.Requirements.Check(); err != nil {
		c.add(under(where, "labels"), "%s", issueOf(err))
	}
}

func (c *checker) services(at string, job *hodei.JobDefinition, s scope) {
	if len(job.Services) > 0 && job.Container == nil {
		c.add(under(at, "services"), "services need a container: they share its network")
	}
	for _, key := range sorted(job.Services) {
		where, service := under(under(at, "services"), key), job.Services[key]
		if !hostName.MatchString(key) {
			c.add(where, "%q is no host name: small letters, digits and - are", clip(key))
		}
		s.text(under(where, "image"), service.Image)
		c.environment(under(where, "env"), service.Environment, s)
		if strings.Contains(service.Ready, "${{") {
			c.add(under(where, "ready"), "${{ }} is not allowed here: commands receive data through their environment")
		}
	}
}

func (c *checker) artifacts(at string, job *hodei.JobDefinition, s scope) {
	seen := map[string]bool{}
	for i, a := range job.Artifacts {
		where := fmt.Sprintf("%s.artifacts[%d]", at, i)
		if seen[a.Name] {
			c.add(under(where, "name"), "%q is given twice", a.Name)
		}
		seen[a.Name] = true
		s.text(under(where, "name"), a.Name)
		for n, glob := range a.Paths {
			c.glob(fmt.Sprintf("%s.paths[%d]", where, n), glob)
		}
	}
}

func (c *checker) caches(at string, job *hodei.JobDefinition, s scope) {
	s.files = true
	for i, cache := range job.Caches {
		where := fmt.Sprintf("%s.caches[%d]", at, i)
		s.text(under(where, "key"), cache.Key)
		for n, prefix := range cache.Restore {
			s.text(fmt.Sprintf("%s.restore[%d]", where, n), prefix)
		}
		for n, glob := range cache.Paths {
			at := fmt.Sprintf("%s.paths[%d]", where, n)
			below, home := strings.CutPrefix(strings.TrimPrefix(glob, "!"), "~/")
			if !home && strings.HasPrefix(below, "~") {
				c.add(at, "%q: only ~/ means the home directory; write ./%s for a file with this name", clip(glob), clip(below))
			}
			c.glob(at, below)
		}
	}
}

// relative checks that a path stays below the working directory.
func (c *checker) relative(where, name string) {
	if issue := outside(name); issue != "" {
		c.add(where, "%s", issue)
	}
	noReferences(c, where, name)
}

// glob checks that a glob is valid and stays below the working directory.
func (c *checker) glob(where, glob string) {
	if issue := globIssue(glob); issue != "" {
		c.add(where, "%s", issue)
	}
	noReferences(c, where, glob)
}

// plainGlob warns of what other systems replace in a glob, and conditions and hooks do not: such
// a glob would never match.
func (c *checker) plainGlob(where, glob string) {
	if strings.ContainsAny(glob, "[]{}") && !strings.Contains(glob, "${{") {
		c.warn(where, "%q: [ ] and { } stand for themselves here, *, ** and ? are the wildcards: write a glob for each name", clip(glob))
	}
}

// outside returns the problem of a path that leaves the working directory, "" if it does not.
func outside(name string) string {
	clean := path.Clean(strings.TrimPrefix(name, "!"))
	if strings.HasPrefix(name, "/") || clean == ".." || strings.HasPrefix(clean, "../") || name == "" {
		return fmt.Sprintf("a path below the working directory is required, not %q", clip(name))
	}
	return ""
}

// globIssue returns the problem of a glob, "" if it is valid.
func globIssue(glob string) string {
	issue := outside(glob)
	if issue == "" && !doublestar.ValidatePattern(strings.TrimPrefix(glob, "!")) {
		issue = fmt.Sprintf("%q is no glob", clip(glob))
	}
	return issue
}
