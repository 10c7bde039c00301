package run

import (
	"strconv"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// lookup returns the value of a name such as "params.env" or "needs.build.outputs.version". It
// reports false for one that is not known yet.
type lookup func(name string) (value string, known bool)

// resolve replaces the references ${{ … }} in the text whose values are known.
func resolve(text string, values lookup) string {
	if !strings.Contains(text, "${{") {
		return text
	}
	return hodei.Reference.ReplaceAllStringFunc(text, func(ref string) string {
		if value, known := values(hodei.Reference.FindStringSubmatch(ref)[1]); known {
			return value
		}
		return ref
	})
}

func resolveAll(texts map[string]string, values lookup) map[string]string {
	if texts == nil {
		return nil
	}
	out := make(map[string]string, len(texts))
	for name, text := range texts {
		out[resolve(name, values)] = resolve(text, values)
	}
	return out
}

// known returns the values of a job that do not depend on its needs.
func known(r *hodei.Run, j *hodei.RunJob) lookup {
	return func(name string) (string, bool) {
		kind, rest, _ := strings.Cut(name, ".")
		switch kind {
		case "params":
			return r.Params[rest], true
		case "matrix":
			return j.Leg[rest], j.Leg != nil
		case changes:
			return strings.Join(r.Trigger.Changes, "\n"), true
		case "run":
			return runValue(r, rest), true
		}
		return "", false
	}
}

// values returns all values that the job may read, once its needs have ended. An unknown
// name is the empty string.
func (a *advance) values(j *hodei.RunJob) lookup {
	before := known(a.r, j)
	return func(name string) (string, bool) {
		if value, ok := before(name); ok {
			return value, true
		}
		rest, ok := strings.CutPrefix(name, "needs.")
		at := strings.LastIndex(rest, ".outputs.")
		if !ok || at < 0 {
			return "", true
		}
		return a.output(rest[:at], rest[at+len(".outputs."):]), true
	}
}

// output is an output of a job, or of one leg of a matrix by its key.
func (a *advance) output(job, name string) string {
	i, ok := a.keys[job]
	if !ok {
		if legs := a.legs[job]; len(legs) == 1 {
			i, ok = legs[0], true
		}
	}
	if !ok {
		return ""
	}
	return a.r.Jobs[i].Outputs[name]
}

// runValue returns the value of `run.<name>` and of the variable HODEI_<NAME>.
func runValue(r *hodei.Run, name string) string {
	ref := text(r.Ref)
	switch name {
	case "id":
		return r.ID.String()
	case "number":
		return strconv.Itoa(r.Number)
	case "pipeline":
		return text(r.Pipeline)
	case "trigger":
		return string(r.Trigger.Kind)
	case "ref":
		return ref
	case "branch":
		if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			return branch
		}
	case "tag":
		if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
			return tag
		}
	case "base_branch":
		return r.Trigger.BaseBranch
	case "pull_request":
		return r.Trigger.PullRequest
	case "commit":
		return text(r.Commit)
	case "scheduled_at":
		if r.Trigger.ScheduledAt != nil {
			return r.Trigger.ScheduledAt.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
