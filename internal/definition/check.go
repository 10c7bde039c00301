package definition

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/next"
)

const (
	// maxJobs bounds the jobs of a pipeline, maxRunJobs their legs together.
	maxJobs    = 1000
	maxRunJobs = 10_000
)

// checker finds contradictions between the fields of a definition.
type checker struct {
	def  hodei.Definition
	jobs map[string]*hodei.JobDefinition
	list []hodei.Problem
}

// Check reports the problems of a definition whose fields each have a valid form.
// Fields are named as in the file.
func Check(def hodei.Definition) []hodei.Problem {
	c := &checker{def: def, jobs: map[string]*hodei.JobDefinition{}}
	c.settings()
	if len(def.Jobs) > maxJobs {
		c.add("jobs", "%d jobs; at most %d are allowed", len(def.Jobs), maxJobs)
		return c.list
	}
	for i := range def.Jobs {
		job := &def.Jobs[i]
		if c.jobs[job.Key] != nil {
			c.add(jobPath(job), "the key is taken by another job")
			continue
		}
		c.jobs[job.Key] = job
	}
	legs := 0
	for i := range def.Jobs {
		job := &def.Jobs[i]
		c.job(job)
		if job.Matrix != nil {
			legs += min(job.Matrix.Size(), hodei.MaxLegs)
		}
	}
	if legs > maxRunJobs {
		c.add("jobs", "%d legs of matrices together; at most %d are allowed", legs, maxRunJobs)
	}
	c.cycles()
	c.unsupported()
	return c.list
}

// unsupportedFields are fields that this version reads and checks, but cannot act on.
// Whatever makes one work removes it here.
var unsupportedFields = struct{ pipeline, job []string }{
	job: []string{"container", "services", "limits", "run_as"},
}

// unsupported reports the fields of unsupportedFields that are given.
func (c *checker) unsupported() {
	report := func(path string, n *node, fields []string) {
		for _, name := range fields {
			if n.get(name) != nil {
				c.list = append(c.list, hodei.Problem{Field: under(path, name), Issue: "not supported by this version", Unsupported: true})
			}
		}
	}
	report("", encodeStruct(reflect.ValueOf(c.def.Settings)), unsupportedFields.pipeline)
	for i := range c.def.Jobs {
		job := &c.def.Jobs[i]
		report(jobPath(job), encodeStruct(reflect.ValueOf(*job)), unsupportedFields.job)
	}
}

// OfJob returns the problems of one job, with the fields as a request has them.
func OfJob(job hodei.JobDefinition, all []hodei.Problem) (own []hodei.Problem) {
	at := jobPath(&job)
	for _, p := range all {
		field, ok := strings.CutPrefix(p.Field, at)
		if p.Field != at && (!ok || !strings.HasPrefix(field, ".")) {
			continue
		}
		field = strings.TrimPrefix(field, ".")
		if field == "" {
			field = "key"
		}
		for _, r := range jobRules() {
			if rest, ok := strings.CutPrefix(field, r.name); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				field = r.json + rest
				break
			}
		}
		p.Field = field
		own = append(own, p)
	}
	return own
}

// add reports a problem, the first one of a field.
func (c *checker) add(path, format string, args ...any) {
	if len(c.list) >= maxProblems || slices.ContainsFunc(c.list, func(p hodei.Problem) bool { return p.Field == path && !p.Warning }) {
		return
	}
	c.list = append(c.list, hodei.Problem{Field: path, Issue: fmt.Sprintf(format, args...)})
}

func (c *checker) warn(path, format string, args ...any) {
	c.list = append(c.list, hodei.Problem{Field: path, Issue: fmt.Sprintf(format, args...), Warning: true})
}

// jobPath is where the file has the job.
func jobPath(job *hodei.JobDefinition) string {
	if job.Finally {
		return under("finally", job.Key)
	}
	return under("jobs", job.Key)
}

// keys are those of all jobs.
func (c *checker) keys() []string {
	keys := make([]string, len(c.def.Jobs))
	for i, job := range c.def.Jobs {
		keys[i] = job.Key
	}
	return keys
}

// settings checks the fields of the pipeline besides its jobs.
func (c *checker) settings() {
	c.params()
	own := scope{c: c}
	c.environment("env", c.def.Environment, own)
	if con := c.def.Concurrency; con != nil {
		own.text("concurrency.key", con.Key)
	}
	names := map[string]bool{}
	for i, s := range c.def.Schedules {
		c.schedule(at("schedules", i), s)
		if names[s.Name] && s.Name != "" {
			c.add(under(at("schedules", i), "name"), "%q is given twice", clip(s.Name))
		}
		names[s.Name] = true
	}
	for i, h := range c.def.Hooks {
		c.hook(at("hooks", i), h)
	}
	for i, n := range c.def.Notify {
		c.notify(at("notify", i), n)
	}
	c.source()
}

// source checks the repository, and that no job has the key of the one that fetches it.
func (c *checker) source() {
	s := c.def.Source
	if s == nil {
		return
	}
	noReferences(c, "source.git", s.Git)
	noReferences(c, "source.ref", s.Ref)
	u, err := url.Parse(s.Git)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http")
	switch {
	case strings.HasPrefix(s.Git, "-") || strings.ContainsAny(s.Git, " \n"):
		c.add("source.git", "%q is no address of a repository", clip(s.Git))
	case web && u.User != nil:
		c.add("source.git", "the address has a credential: put it in a secret, and name that in source.secret")
	case s.Secret != "" && !web:
		c.add("source.secret", "a credential is sent to https:// and http:// only")
	}
	if s.Definition != "" {
		c.relative("source.definition", s.Definition)
	}
	if strings.HasPrefix(s.Ref, "-") || strings.ContainsAny(s.Ref, " :*+") {
		c.add("source.ref", "%q is no branch, tag or commit", clip(s.Ref))
	}
	for i := range c.def.Jobs {
		if job := &c.def.Jobs[i]; job.Key == hodei.SourceKey {
			c.add(jobPath(job), "the job that fetches the source has this key; choose another one")
		}
	}
}

func (c *checker) params() {
	seen := map[string]string{}
	for _, p := range c.def.Params {
		path := under("params", p.Name)
		if !paramName.MatchString(p.Name) {
			c.add(path, "%q is no name of a param: letters, digits, - and _ are, and no digit first", clip(p.Name))
		}
		if other, ok := seen[hodei.VariableName(p.Name)]; ok {
			c.add(path, "both %q and %q are PARAM_%s in the environment", other, p.Name, hodei.VariableName(p.Name))
		}
		seen[hodei.VariableName(p.Name)] = p.Name
		for i, value := range p.Enum {
			if issue := (hodei.Param{Type: p.Type}).Issue(value); issue != "" {
				c.add(at(under(path, "enum"), i), "%s", issue)
			}
		}
		if p.Default == nil {
			continue
		}
		if issue := p.Issue(*p.Default); issue != "" {
			c.add(under(path, "default"), "%s", issue)
		}
		if p.Required {
			c.add(under(path, "required"), "a required param has no default: give one of them")
		}
	}
}

// given checks values for the params of this pipeline.
func (c *checker) given(path string, values map[string]hodei.Scalar) {
	names := make([]string, len(c.def.Params))
	for i, p := range c.def.Params {
		names[i] = p.Name
	}
	for _, name := range sorted(values) {
		i := slices.Index(names, name)
		if i < 0 {
			c.add(under(path, name), "no param %q%s", clip(name), suggest(name, names))
		} else if issue := c.def.Params[i].Issue(values[name]); issue != "" {
			c.add(under(path, name), "%s", issue)
		}
	}
}

func (c *checker) schedule(path string, s hodei.ScheduleSpec) {
	if _, err := next.Parse(s, time.Time{}); err != nil {
		details := hodei.AsError(err).Details
		c.add(under(path, details.Field), "%s", details.Issue)
	}
	c.given(under(path, "params"), s.Params)
	if s.Definition == hodei.DefinitionRepository && c.def.Source == nil {
		c.add(under(path, "definition"), NoSource)
	}
	for _, p := range c.def.Params {
		if _, ok := s.Params[p.Name]; p.Required && !ok {
			c.add(under(path, "params"), "the param %q is required", p.Name)
		}
	}
}

// environment checks names and values of variables.
func (c *checker) environment(path string, env map[string]string, s scope) {
	for _, name := range sorted(env) {
		below := under(path, name)
		if !variable.MatchString(name) {
			c.add(below, "%q is no name of a variable: letters, digits and _ are, and no digit first", clip(name))
		}
		if hodei.IsSet(name) {
			c.add(below, hodei.SetByHodei)
		}
		s.text(below, env[name])
		if expansion.MatchString(hodei.Reference.ReplaceAllString(env[name], "")) {
			c.warn(below, "the value is literal: no variable in it is replaced")
		}
	}
	if err := hodei.CheckEnvironment(env); err != nil {
		c.add(path, "%s", issueOf(err))
	}
}

// issueOf returns the issue in a *hodei.Error.
func issueOf(err error) string { return hodei.AsError(err).Details.Issue }
