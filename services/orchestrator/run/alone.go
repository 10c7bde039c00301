package run

import (
	"maps"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// Alone returns what an execution of the job outside of a run runs: its command, or the given
// one, with the given variables over its own. It has no needs, conditions and params. Alone
// returns CONFLICT for a job that waits for an approval, which only a run can have, and
// VALIDATION_ERROR if it has no command or refers to values of a run.
func Alone(job hodei.Job, command *hodei.Command, env map[string]string) (hodei.Spec, error) {
	spec := job.Spec
	if spec.Approval != nil {
		return spec, &hodei.Error{
			Code: hodei.Conflict, Message: "The job starts with an approval only: execute its pipeline",
			Resource: "job", ResourceID: job.ID.String(),
		}
	}
	spec.Graph = hodei.Graph{}
	if command != nil && !command.IsZero() {
		spec.Command = *command
	}
	if spec.Command.IsZero() {
		return spec, hodei.InvalidField("command", "required: the job has none")
	}
	spec.Environment = maps.Clone(spec.Environment)
	if spec.Environment == nil {
		spec.Environment = map[string]string{}
	}
	maps.Copy(spec.Environment, env)
	return spec, checkReferences(spec)
}

// checkReferences returns an error for a reference to a value that only a run has.
func checkReferences(spec hodei.Spec) error {
	for _, name := range slices.Sorted(maps.Keys(spec.Environment)) {
		if refersToRun(spec.Environment[name]) {
			return onlyInRun("environment." + name)
		}
	}
	for name, value := range spec.Requirements.Labels {
		if refersToRun(name) || refersToRun(value) {
			return onlyInRun("requirements.labels")
		}
	}
	if kind := spec.Requirements.Type; kind != nil && refersToRun(*kind) {
		return onlyInRun("type")
	}
	for _, artifact := range spec.Artifacts {
		if refersToRun(artifact.Name) {
			return onlyInRun("artifacts")
		}
	}
	for _, cache := range spec.Caches {
		if refersToRun(cache.Key) || slices.ContainsFunc(cache.Restore, refersToRun) {
			return onlyInRun("caches")
		}
	}
	return nil
}

// refersToRun reports whether the text has a reference that the worker does not replace.
func refersToRun(text string) bool {
	return slices.ContainsFunc(hodei.Reference.FindAllStringSubmatch(text, -1), func(found []string) bool {
		return !hodei.IsFileHash(found[1])
	})
}

func onlyInRun(field string) error {
	return hodei.InvalidField(field, "the job refers to a value of a run, such as ${{ params.env }}: execute its pipeline")
}
