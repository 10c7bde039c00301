package run

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// environment is what every command of a run receives beside the environment of its
// job. The worker adds what every execution has, such as HODEI_ATTEMPT.
func environment(r *hodei.Run, j *hodei.RunJob) map[string]string {
	env := map[string]string{"HODEI_JOB": j.Key}
	for _, name := range hodei.RunFields {
		env[hodei.RunVariable(name)] = runValue(r, name)
	}
	for name, value := range r.Params {
		env["PARAM_"+hodei.VariableName(name)] = value
	}
	for axis, value := range j.Leg {
		env["MATRIX_"+hodei.VariableName(axis)] = value
	}
	return env
}

// spec is what the job's executions run, with the results of its needs filled in.
func (a *advance) spec(j *hodei.RunJob) (hodei.Spec, error) {
	spec, values := j.Spec, a.values(j)
	spec.Graph = hodei.Graph{}
	env := resolveAll(spec.Environment, values)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, environment(a.r, j)) // last, so that the command has the values that conditions and approvals had
	if len(j.Needs) > 0 {
		needs, err := a.needs(j)
		if err != nil {
			return spec, err
		}
		env["HODEI_NEEDS"] = needs
	}
	spec.Environment = env
	if spec.ArtifactsOf = a.artifactsOf(j); a.receivesSource(j) {
		spec.Source, spec.ArtifactsOf = hodei.SourceReceived, append([]string{hodei.SourceKey}, spec.ArtifactsOf...)
	}
	spec.Artifacts = slices.Clone(spec.Artifacts)
	for i := range spec.Artifacts {
		spec.Artifacts[i].Name = resolve(spec.Artifacts[i].Name, values)
	}
	spec.Caches = resolveCaches(spec.Caches, values)
	spec.Requirements.Labels = resolveAll(spec.Requirements.Labels, values)
	if kind := spec.Requirements.Type; kind != nil {
		spec.Requirements.Type = new(resolve(*kind, values))
	}
	if err := spec.Validate(); err != nil {
		return spec, err
	}
	return spec, spec.Check()
}

// resolveCaches replaces the references in the keys, except for file_hash, which the worker
// replaces because it has the files.
func resolveCaches(specs []hodei.CacheSpec, values lookup) []hodei.CacheSpec {
	known := func(name string) (string, bool) {
		if hodei.IsFileHash(name) {
			return "", false
		}
		return values(name)
	}
	specs = slices.Clone(specs)
	for i := range specs {
		specs[i].Key = resolve(specs[i].Key, known)
		specs[i].Restore = slices.Clone(specs[i].Restore)
		for n := range specs[i].Restore {
			specs[i].Restore[n] = resolve(specs[i].Restore[n], known)
		}
	}
	return specs
}

// artifactsOf returns the needs whose artifacts the job receives.
func (a *advance) artifactsOf(j *hodei.RunJob) (of []string) {
	for _, need := range j.Spec.Needs {
		if need.Artifacts != nil && !*need.Artifacts {
			continue
		}
		if slices.ContainsFunc(a.legs[need.Job], func(i int) bool { return len(a.r.Jobs[i].Spec.Artifacts) > 0 || a.r.Jobs[i].Plan.HasArtifacts }) {
			of = append(of, need.Job)
		}
	}
	return of
}

// needs are the results of the job's needs as JSON, the legs of a matrix by their keys.
func (a *advance) needs(j *hodei.RunJob) (string, error) {
	type result struct {
		Status  hodei.RunJobStatus `json:"status"`
		Reason  *hodei.Reason      `json:"reason"`
		Outputs map[string]string  `json:"outputs"`
	}
	all := map[string]result{}
	for _, need := range j.Needs {
		for _, i := range a.legs[need] {
			n := &a.r.Jobs[i]
			r := result{n.Status, n.Reason, n.Outputs}
			if r.Outputs == nil {
				r.Outputs = map[string]string{}
			}
			all[n.Key] = r
		}
	}
	body, err := json.Marshal(all)
	return string(body), err
}
