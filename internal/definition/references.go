package definition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

var need = regexp.MustCompile(`^([A-Za-z0-9_-]+(?:\[.*\])?)\.outputs\.([A-Za-z_][A-Za-z0-9_-]*)$`)

// scope is where a reference stands: in a job, or outside of all.
type scope struct {
	c     *checker
	job   *hodei.JobDefinition
	files bool // file_hash is allowed
	early bool // replaced before the needs have ended
}

// text checks the references in a text.
func (s scope) text(path, text string) {
	if !strings.Contains(text, "${{") {
		return
	}
	for _, found := range hodei.Reference.FindAllStringSubmatch(text, -1) {
		if issue := s.name(found[1]); issue != "" {
			s.c.add(path, "${{ %s }}: %s", clip(found[1]), issue)
		}
	}
	if strings.Contains(hodei.Reference.ReplaceAllString(text, ""), "${{") {
		s.c.add(path, "${{ has no }}, or { or } inside")
	}
}

// noReferences reports a reference where none is replaced.
func noReferences(c *checker, path, text string) {
	if strings.Contains(text, "${{") {
		c.add(path, "${{ }} is not allowed here")
	}
}

// name returns the problem of a reference, "" if it is valid.
func (s scope) name(name string) string {
	kind, rest, _ := strings.Cut(name, ".")
	switch kind {
	case "params":
		return s.param(rest)
	case "matrix":
		return s.axis(rest)
	case "run":
		if !slices.Contains(hodei.RunFields, rest) {
			return fmt.Sprintf("no run.%s%s", clip(rest), suggest(rest, hodei.RunFields))
		}
		return ""
	case "needs":
		return s.output(rest)
	}
	if hodei.IsFileHash(name) {
		return s.fileHash(name)
	}
	return "params.NAME, matrix.AXIS, run.FIELD or needs.JOB.outputs.NAME is required"
}

func (s scope) fileHash(name string) string {
	globs := hodei.FileHash(name)
	switch {
	case !s.files:
		return "file_hash is allowed in the keys of caches only"
	case globs == nil:
		return "file_hash('go.sum') is required, with one or more globs in single quotes"
	}
	for _, glob := range globs {
		if issue := globIssue(glob); issue != "" {
			return issue
		}
	}
	return ""
}

func (s scope) param(name string) string {
	var names []string
	for _, p := range s.c.def.Params {
		names = append(names, p.Name)
	}
	if slices.Contains(names, name) {
		return ""
	}
	return fmt.Sprintf("no param %q%s", clip(name), suggest(name, names))
}

func (s scope) axis(name string) string {
	if s.job == nil {
		return "a matrix belongs to a job"
	}
	m := s.job.Matrix
	switch {
	case m == nil:
		return "the job has no matrix"
	case m.From != "":
		if !paramName.MatchString(name) {
			return fmt.Sprintf("%q is no name of an axis", clip(name))
		}
		return ""
	}
	if names := axes(m); !slices.Contains(names, name) {
		return fmt.Sprintf("no axis %q%s", clip(name), suggest(name, names))
	}
	return ""
}

// output checks JOB.outputs.NAME.
func (s scope) output(rest string) string {
	switch {
	case s.job == nil:
		return "outputs are known to the jobs that need them alone"
	case s.early:
		return "a job has its name before its needs have outputs"
	}
	parts := need.FindStringSubmatch(rest)
	if parts == nil {
		return "needs.JOB.outputs.NAME is required"
	}
	key, leg, isLeg := strings.Cut(parts[1], "[")
	needed := slices.ContainsFunc(s.job.Needs, func(n hodei.Need) bool { return n.Job == key })
	other := s.c.jobs[key]
	switch {
	case other == nil:
		return fmt.Sprintf("no job %q%s", clip(key), suggest(key, s.c.keys()))
	case !needed:
		return fmt.Sprintf("%q is not in the needs of the job", key)
	case isLeg && (other.Matrix == nil || other.Matrix.From == "" && !slices.ContainsFunc(other.Matrix.Legs(), func(l hodei.Leg) bool { return l.String() == "["+leg })):
		return fmt.Sprintf("%q has no leg [%s", key, clip(leg))
	case !isLeg && other.Matrix != nil:
		return fmt.Sprintf("%q has a matrix: name one leg, as %s[…].outputs.%s, or read all of them from $HODEI_NEEDS", key, key, parts[2])
	}
	return ""
}

// conditionFields are the values of run.* that a condition may ask for.
var conditionFields = []string{"trigger", "branch", "tag", "base_branch", "pull_request"}

var triggers = []string{string(hodei.TriggerManual), string(hodei.TriggerAPI), string(hodei.TriggerSchedule), string(hodei.TriggerPush),
	string(hodei.TriggerTag), string(hodei.TriggerPullRequest), string(hodei.TriggerHook), string(hodei.TriggerRerun), string(hodei.TriggerPipeline)}

// conditions checks the field if.
func (c *checker) conditions(at string, job *hodei.JobDefinition, s scope) {
	for i, all := range job.If {
		where := under(at, "if")
		if len(job.If) > 1 {
			where = fmt.Sprintf("%s[%d]", where, i)
		}
		if len(all) == 0 {
			c.add(where, "must not be empty")
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			c.condition(under(where, name), name, all[name], s)
		}
	}
}

func (c *checker) condition(where, name string, globs hodei.Globs, s scope) {
	kind, rest, _ := strings.Cut(name, ".")
	issue := ""
	switch {
	case name == "changes":
	case kind == "run" && !slices.Contains(conditionFields, rest):
		issue = fmt.Sprintf("no run.%s%s", clip(rest), suggest(rest, conditionFields))
	case kind == "params" || kind == "matrix" || kind == "run" || kind == "needs":
		issue = s.name(name)
	default:
		issue = "params.NAME, matrix.AXIS, needs.JOB.outputs.NAME, run.FIELD or changes is required"
	}
	if issue != "" {
		c.add(where, "%s", issue)
		return
	}
	for i, glob := range globs {
		value, _ := strings.CutPrefix(string(glob), "!")
		one := where
		if len(globs) > 1 {
			one = fmt.Sprintf("%s[%d]", where, i)
		}
		noReferences(c, one, value)
		if name == "changes" || kind == "run" {
			c.plainGlob(one, value)
		}
		if strings.ContainsAny(value, "*?") {
			continue
		}
		if name == "run.trigger" && !slices.Contains(triggers, value) {
			c.add(one, "%q is no trigger: %s are%s", clip(value), strings.Join(triggers, ", "), suggest(value, triggers))
		}
		if kind == "params" {
			c.never(one, rest, value)
		}
	}
}

// never warns of a comparison with a value that a param cannot have.
func (c *checker) never(where, name, value string) {
	for _, p := range c.def.Params {
		if p.Name != name {
			continue
		}
		if issue := p.Issue(hodei.Scalar(value)); issue != "" {
			c.warn(where, "the param never has this value: %s", issue)
		}
	}
}
