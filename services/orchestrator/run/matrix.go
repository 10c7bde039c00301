package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// hasOpenMatrix reports whether the legs of the job will be read from an output.
func hasOpenMatrix(j *hodei.RunJob) bool {
	return j.Leg == nil && j.Spec.Matrix != nil && j.Spec.Matrix.From != ""
}

// legsFrom reads the legs of a matrix from an output: a JSON array of scalars, each
// the axis hodei.Item, or of objects of scalars. Equal legs, and a leg that Postgres could not
// store, are an error.
func legsFrom(output string) ([]hodei.Leg, error) {
	dec := json.NewDecoder(strings.NewReader(output))
	var items []json.RawMessage
	if err := dec.Decode(&items); err != nil {
		return nil, hodei.InvalidField("matrix.from", "a JSON array is required")
	}
	if len(items) > hodei.MaxLegs {
		return nil, hodei.InvalidField("matrix.from", fmt.Sprintf("%d legs; at most %d are allowed", len(items), hodei.MaxLegs))
	}
	legs, seen := make([]hodei.Leg, 0, len(items)), map[string]bool{}
	for _, item := range items {
		leg := hodei.Leg{}
		fields := map[string]json.RawMessage{hodei.Item: item}
		if bytes.HasPrefix(bytes.TrimSpace(item), []byte("{")) {
			fields = nil
			if err := json.Unmarshal(item, &fields); err != nil {
				return nil, hodei.InvalidField("matrix.from", "an array of scalars or of objects is required")
			}
		}
		for axis, value := range fields {
			var scalar hodei.Scalar
			if err := json.Unmarshal(value, &scalar); err != nil {
				return nil, hodei.InvalidField("matrix.from", "strings, numbers and booleans are required")
			}
			leg[axis] = string(scalar)
		}
		if issue := leg.Issue(); issue != "" {
			return nil, hodei.InvalidField("matrix.from", issue)
		}
		if seen[leg.String()] {
			return nil, hodei.InvalidField("matrix.from", "the legs must differ")
		}
		legs, seen[leg.String()] = append(legs, leg), true
	}
	return legs, nil
}

// spread replaces a job by the legs that an output of one of its needs lists.
func (a *advance) spread(i int) {
	job := a.r.Jobs[i]
	output, _ := a.values(&job)(job.Spec.Matrix.From)
	legs, err := legsFrom(output)
	switch {
	case err != nil:
		a.close(&a.r.Jobs[i], hodei.JobFailed, new(hodei.ReasonMatrix))
		return
	case len(legs) == 0:
		a.close(&a.r.Jobs[i], hodei.JobSkipped, new(hodei.ReasonCondition))
		return
	}
	job.Plan.Name = job.Name
	a.replace(i, job, legs)
	for _, leg := range a.legs[job.Job] {
		a.decide(leg)
	}
}

// replace puts the legs in the place of the job.
func (a *advance) replace(i int, job hodei.RunJob, legs []hodei.Leg) {
	if a.out.Added == nil {
		a.out.Added = map[string]bool{}
	}
	if !a.out.Added[job.Key] {
		a.out.Removed = append(a.out.Removed, job.Key)
	}
	delete(a.keys, job.Key)
	delete(a.changed, job.Key)
	a.legs[job.Job] = nil
	for n, leg := range legs {
		one := legOf(job, leg, n)
		at := i
		if n == 0 {
			a.r.Jobs[i] = one
		} else {
			at = len(a.r.Jobs)
			a.r.Jobs = append(a.r.Jobs, one)
		}
		a.index(at)
		a.out.Added[one.Key] = true
		a.changed[one.Key] = true
	}
}
