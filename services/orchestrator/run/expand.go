package run

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

const (
	// spacing leaves room for the legs of a matrix between two jobs.
	spacing = 2 * hodei.MaxLegs
	// finallyTimeout is the timeout of a finally job that has none, in seconds.
	finallyTimeout = 300
)

// Source is the input of Expand: the settings and jobs of the pipeline, and the request.
type Source struct {
	Settings hodei.Settings
	// Jobs are those of the pipeline, oldest first.
	Jobs []hodei.Job
	// Params are the values given by the caller.
	Params map[string]hodei.Scalar
	// Environment overrides that of each job.
	Environment map[string]string
	// Only are the keys of the jobs to run; empty for all.
	Only []string
	// Uploaded is an uploaded tree that replaces the pipeline's source; nil without one.
	Uploaded *hodei.UploadedSource
	// NoSecrets keeps all secrets from the jobs.
	NoSecrets bool
	// Repository uses the definition in the repository, once the source is fetched.
	Repository bool
	// CacheScope is the scope of the run that starts this one; "" without one.
	CacheScope string
}

// Expand sets the jobs, the parameters and the plan of a run. Its id, number, pipeline and
// trigger are set already.
func Expand(r *hodei.Run, from Source) error {
	var err error
	if r.Params, err = Params(from.Settings.Params, from.Params); err != nil {
		return err
	}
	if err := from.checkEnvironment(); err != nil {
		return err
	}
	r.Plan = hodei.RunPlan{FailFast: from.Settings.FailFast, TimeoutSeconds: hodei.DefaultRunTimeout, NoSecrets: from.NoSecrets, CacheScope: cmp.Or(from.CacheScope, cacheScope(r.Trigger))}
	if limit := from.Settings.TimeoutSeconds; limit != nil {
		r.Plan.TimeoutSeconds = *limit
	}
	r.Plan.Notify = from.Settings.Notified()
	if c := from.Settings.Concurrency; c != nil {
		r.Plan.Concurrency = new(*c)
		r.Plan.Concurrency.Key = resolve(c.Key, known(r, &hodei.RunJob{}))
	}
	if from.Repository {
		return awaitDefinition(r, from)
	}
	r.Definition = hodei.DefinitionApplied
	keys := Keys(from.Jobs)
	if err := checkGraph(from.Jobs, keys); err != nil {
		return err
	}
	wanted, err := only(from.Only, from.Jobs, keys)
	if err != nil {
		return err
	}
	r.Jobs = []hodei.RunJob{}
	for i, job := range from.Jobs {
		if !wanted(keys[i], job.Finally) {
			continue
		}
		one := planned(r, from, job, keys[i], i*spacing)
		one.Needs = slices.DeleteFunc(one.Needs, func(need string) bool {
			at := slices.Index(keys, need)
			return !wanted(need, from.Jobs[at].Finally)
		})
		legs, err := legsOf(one)
		if err != nil {
			return err
		}
		r.Jobs = append(r.Jobs, legs...)
	}
	return addSource(r, from)
}

// checkEnvironment returns an error for a variable of the caller that would hide a value of
// the run or a secret of one of its jobs.
func (from Source) checkEnvironment() error {
	for _, p := range from.Settings.Params {
		if _, ok := from.Environment["PARAM_"+hodei.VariableName(p.Name)]; ok {
			return hodei.InvalidField("environment.PARAM_"+hodei.VariableName(p.Name), "the param "+p.Name+" is in the environment under this name: set it in params")
		}
	}
	for name := range from.Environment {
		if strings.HasPrefix(name, "MATRIX_") && slices.ContainsFunc(from.Jobs, func(j hodei.Job) bool { return j.Matrix != nil }) {
			return hodei.InvalidField("environment."+name, "the values of a matrix are in the environment under such names")
		}
	}
	for _, job := range from.Jobs {
		given := hodei.Spec{Environment: from.Environment, Setup: hodei.Setup{Secrets: job.Secrets}}
		if err := given.CheckVariables(); err != nil {
			return err
		}
	}
	return nil
}

// cacheScope returns the scope in which a run with the trigger saves caches. The runs of a fork
// must not save caches that other runs use.
func cacheScope(t hodei.RunTrigger) string {
	if !t.Fork {
		return ""
	}
	return "pull/" + t.PullRequest
}

// planned converts a job of the pipeline to a job of the run.
func planned(r *hodei.Run, from Source, job hodei.Job, key string, position int) hodei.RunJob {
	spec := job.Spec
	spec.Key = key
	env := map[string]string{}
	for _, layer := range []map[string]string{from.Settings.Environment, spec.Environment, from.Environment} {
		maps.Copy(env, layer)
	}
	spec.Environment = env
	if spec.Finally && spec.TimeoutSeconds == nil {
		spec.TimeoutSeconds = new(float64(finallyTimeout))
	}
	if from.NoSecrets {
		spec.Secrets = nil
	}
	out := hodei.RunJob{
		Key: key, Job: key, Name: job.Name, Needs: []string{}, Finally: spec.Finally, Status: hodei.JobWaiting, Position: position, Spec: spec,
	}
	if id := job.ID; !id.IsZero() { // a job of the repository's definition may be unknown to the pipeline
		out.JobID = &id
	}
	for _, need := range spec.Needs {
		out.Needs = append(out.Needs, need.Job)
	}
	if gate := spec.Approval; gate != nil {
		out.Approval = &hodei.Approval{Message: gate.Message}
	}
	if out.Name != nil {
		out.Name = new(resolve(*out.Name, known(r, &out)))
	}
	return out
}

// legsOf returns the legs of the job's matrix, or the job itself.
func legsOf(job hodei.RunJob) ([]hodei.RunJob, error) {
	m := job.Spec.Matrix
	if m == nil || m.From != "" {
		return []hodei.RunJob{job}, nil
	}
	legs := m.Legs()
	if size := m.Size(); legs == nil && size > 0 || len(legs) > hodei.MaxLegs {
		return nil, hodei.InvalidField("jobs."+job.Key+".matrix", fmt.Sprintf("%d legs; at most %d are allowed", size, hodei.MaxLegs))
	}
	if len(legs) == 0 { // nothing is left of it
		job.Status, job.Reason, job.Message = hodei.JobSkipped, new(hodei.ReasonCondition), new("its matrix has no legs")
		return []hodei.RunJob{job}, nil
	}
	out := make([]hodei.RunJob, len(legs))
	for i, leg := range legs {
		if issue := leg.Issue(); issue != "" {
			return nil, hodei.InvalidField("jobs."+job.Key+".matrix", issue)
		}
		out[i] = legOf(job, leg, i)
	}
	return out, nil
}

// legOf returns the nth leg of a job. It shares no mutable field with other legs.
func legOf(job hodei.RunJob, leg hodei.Leg, n int) hodei.RunJob {
	job.Leg, job.Key, job.Position = leg, job.Job+leg.String(), job.Position+n
	if job.Approval != nil {
		job.Approval = new(*job.Approval)
	}
	if job.Name != nil {
		job.Name = new(resolve(*job.Name, func(name string) (string, bool) {
			axis, ok := strings.CutPrefix(name, "matrix.")
			return leg[axis], ok
		}))
	}
	return job
}

// only returns a function that reports whether a job runs. Finally jobs always run.
func only(list []string, jobs []hodei.Job, keys []string) (func(key string, finally bool) bool, error) {
	for i, key := range list {
		if !slices.Contains(keys, key) {
			return nil, hodei.InvalidField(fmt.Sprintf("only.%d", i), fmt.Sprintf("the pipeline has no job %q", key))
		}
	}
	return func(key string, finally bool) bool {
		return len(list) == 0 || finally || slices.Contains(list, key)
	}, nil
}

// Keys returns the keys of the jobs. A job without a key gets one from its name, or from its
// id if that is not unique.
func Keys(jobs []hodei.Job) []string {
	keys, taken := make([]string, len(jobs)), map[string]int{}
	for i, job := range jobs {
		if keys[i] = job.Key; keys[i] == "" {
			keys[i] = slug(text(job.Name))
		}
		taken[keys[i]]++
	}
	for i, job := range jobs {
		if job.Key == "" && (keys[i] == "" || taken[keys[i]] > 1) {
			id := job.ID.String()
			keys[i] = "job-" + id[len(id)-8:]
		}
	}
	return keys
}

// slug replaces the characters that a key cannot have by "-".
func slug(name string) string {
	name = strings.Map(func(c rune) rune {
		switch {
		case c == '_', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, name)
	name = strings.Trim(name, "-")
	return name[:min(len(name), 63)]
}

// checkGraph returns an error for duplicate keys, for a need that does not exist, and for a
// cycle.
func checkGraph(jobs []hodei.Job, keys []string) error {
	const visiting, visited = 1, 2
	state := map[string]int{}
	var visit func(i int) error
	visit = func(i int) error {
		if state[keys[i]] != 0 {
			return nil
		}
		state[keys[i]] = visiting
		for n, need := range jobs[i].Needs {
			field := fmt.Sprintf("jobs.%s.needs.%d", keys[i], n)
			at := slices.Index(keys, need.Job)
			switch {
			case at < 0:
				return hodei.InvalidField(field, fmt.Sprintf("the pipeline has no job %q", need.Job))
			case jobs[at].Finally && !jobs[i].Finally:
				return hodei.InvalidField(field, fmt.Sprintf("%q runs after all other jobs", need.Job))
			case state[need.Job] == visiting:
				return hodei.InvalidField(field, fmt.Sprintf("%q needs %q, which needs it: a cycle", keys[i], need.Job))
			}
			if err := visit(at); err != nil {
				return err
			}
		}
		state[keys[i]] = visited
		return nil
	}
	for i := range jobs {
		if slices.Index(keys, keys[i]) < i {
			return hodei.InvalidField("jobs."+keys[i], "the pipeline has two jobs with this key")
		}
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}
