package definition

import (
	"reflect"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// ownFields are those that a job has to give itself.
var ownFields = []string{"needs", "if", "when", "matrix", "command", "pipeline", "approval"}

// callFields are those that a job which starts a pipeline may have.
var callFields = []string{"name", "description", "needs", "when", "if", "matrix", "allow_failure", "approval", "pipeline", "timeout", "retries"}

// defaults checks the defaults and returns them; nil without any.
func (d *decoder) defaults(n *node) *node {
	if n.absent() {
		return nil
	}
	if n.kind != mapping {
		d.add(n, "defaults", "a mapping is required, not "+n.what())
		return nil
	}
	for _, f := range n.fields {
		if slices.Contains(ownFields, f.key.text) {
			d.add(f.key, under("defaults", f.key.text), "cannot be a default: give it in each job")
		}
	}
	n = n.where(func(f field) bool { return !slices.Contains(ownFields, f.key.text) && !f.value.isNull() })
	var job hodei.JobDefinition
	d.object("defaults", n, reflect.ValueOf(&job).Elem())
	d.oneType("defaults", &job)
	return n
}

// merge is the job with the defaults that it does not replace. Null removes one.
func (d *decoder) merge(path string, defaults, job *node) *node {
	out := job.where(func(f field) bool { return !f.value.isNull() })
	if defaults == nil {
		d.variables(path, out, nil)
		return out
	}
	for _, f := range defaults.fields {
		name := f.key.text
		given := job.get(name)
		switch {
		case name == "env" && given != nil && given.kind == mapping && f.value.kind == mapping:
			merged := f.value.where(func(v field) bool { return given.get(v.key.text) == nil })
			for _, v := range given.fields {
				if !v.value.isNull() || f.value.get(v.key.text) == nil {
					merged.set(v.key, v.value)
				}
			}
			merged.line, merged.column = given.line, given.column
			out.set(f.key, merged)
		case given != nil || !applies(job, name):
		case name == "requirements" && typeOf(job) && f.value.kind == mapping:
			out.set(f.key, f.value.where(func(r field) bool { return r.key.text != "type" }))
		default:
			out.set(f.key, f.value)
		}
	}
	d.variables(path, out, defaults)
	return out
}

// applies reports whether the job could have the field: a default that it could not
// have is left out.
func applies(job *node, name string) bool {
	if !job.get("pipeline").absent() {
		return slices.Contains(callFields, name)
	}
	switch command := job.get("command"); name {
	case "shell":
		return command == nil || command.kind != list
	case "type":
		return !typeOf(job)
	}
	return true
}

// typeOf reports whether the job names the worker type, or that it wants none.
func typeOf(job *node) bool {
	requirements := job.get("requirements")
	return job.get("type") != nil || requirements != nil && requirements.kind == mapping && requirements.get("type") != nil
}

// variables removes the variables that are null, and reports one that removes nothing:
// it may be meant for the environment of the pipeline, which null does not reach.
func (d *decoder) variables(path string, job, defaults *node) {
	env := job.get("env")
	if env == nil || env.kind != mapping {
		return
	}
	known := defaults.get("env")
	for _, v := range env.fields {
		if v.value.isNull() && known.get(v.key.text) == nil {
			d.add(v.key, under(under(path, "env"), v.key.text),
				`null removes a variable of the defaults, and they have none of this name; write "" for an empty one`)
		}
	}
	job.set(&node{text: "env", tag: "!!str", line: env.line, column: env.column},
		env.where(func(f field) bool { return !f.value.isNull() }))
}
