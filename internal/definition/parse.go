package definition

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// Format is the syntax of a document.
type Format string

const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// FormatOf is the format of a file by its name.
func FormatOf(name string) Format {
	if strings.HasSuffix(strings.ToLower(name), ".json") {
		return JSON
	}
	return YAML
}

// Parse reads a definition and checks it. The problems are in the order of the
// document, with warnings and unsupported fields among them; see Errors. The definition
// is complete only without errors.
func Parse(text []byte, format Format) (hodei.Definition, []hodei.Problem) {
	return ParseFor("", text, format)
}

// ParseFor is Parse for the pipeline with the slug, which the document need not repeat.
// Further checks may report problems too.
func ParseFor(slug string, text []byte, format Format, further ...func(hodei.Definition) []hodei.Problem) (hodei.Definition, []hodei.Problem) {
	r := &reader{}
	root := r.read(text, format)
	if root == nil {
		return hodei.Definition{}, r.list
	}
	d := &decoder{problems: &r.problems, places: map[string]*node{}}
	if slug != "" && root.kind == mapping {
		d.address(root, slug)
	}
	def := d.definition(root)
	form := len(r.list)
	for _, check := range append([]func(hodei.Definition) []hodei.Problem{Check}, further...) {
		for _, p := range check(def) {
			d.place(p, form)
		}
	}
	return def, inOrder(r.list)
}

// read returns the tree of a document, nil after problems.
func (r *reader) read(text []byte, format Format) (root *node) {
	switch {
	case len(text) > maxBytes:
		r.add(nil, "", fmt.Sprintf("the document has %d bytes; at most %d KiB are allowed", len(text), maxBytes>>10))
		return nil
	case format == JSON:
		root = r.json(text)
	default:
		root = r.yaml(text)
	}
	if root == nil && len(r.list) == 0 {
		r.add(nil, "", "the document is empty")
	}
	if r.full {
		return nil
	}
	return root
}

// inOrder sorts problems by their places in the document.
func inOrder(list []hodei.Problem) []hodei.Problem {
	slices.SortStableFunc(list, func(a, b hodei.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return list
}

// Errors are the problems of a definition that is not valid: no warnings, and no fields
// that are not supported yet.
func Errors(all []hodei.Problem) []hodei.Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p hodei.Problem) bool { return p.Warning || p.Unsupported })
}

// Obstacles are the problems with which a definition cannot be applied.
func Obstacles(all []hodei.Problem) []hodei.Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p hodei.Problem) bool { return p.Warning })
}

// Warnings are the others.
func Warnings(all []hodei.Problem) []hodei.Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p hodei.Problem) bool { return !p.Warning })
}

// address compares the slug of the document with the one that it is sent to.
func (d *decoder) address(root *node, slug string) {
	switch own := root.get("slug"); {
	case own == nil:
		root.set(name("slug"), &node{text: slug, tag: "!!str", line: root.line, column: root.column})
	case own.kind == scalar && own.text != slug:
		d.add(own, "slug", fmt.Sprintf("%q is not the slug of this pipeline, %q", clip(own.text), slug))
	}
}

// place gives a problem the position of its field, or of the nearest one around it. The
// first problems, so many, are about the form of values: what follows from one of them at
// its place is left out, and so is the same problem of several jobs, which share a default.
func (d *decoder) place(p hodei.Problem, form int) {
	for path := p.Field; path != ""; path = outer(path) {
		if n, ok := d.places[path]; ok {
			p.Line, p.Column = n.line, n.column
			break
		}
	}
	for i, q := range d.list {
		if q.Line == p.Line && q.Column == p.Column && (q.Field == p.Field || p.Line > 0 && (i < form || q.Issue == p.Issue)) {
			return
		}
	}
	if len(d.list) < maxProblems {
		d.list = append(d.list, p)
	}
}

// outer is the path without its last part.
func outer(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// definition reads the whole document.
func (d *decoder) definition(root *node) hodei.Definition {
	var def hodei.Definition
	d.places[""] = root
	if root.kind != mapping {
		d.add(root, "", "a mapping is required, not "+root.what())
		return def
	}
	apart := func(name string) bool { return name == "jobs" || name == "finally" || name == "defaults" }
	d.object("", root.where(func(f field) bool {
		return !apart(f.key.text) && !strings.HasPrefix(f.key.text, "x-")
	}), reflect.ValueOf(&def).Elem())
	defaults := d.defaults(root.get("defaults"))
	if defaults != nil {
		def.Defaults = rawJSON(defaults)
	}
	d.jobs("jobs", root.get("jobs"), defaults, &def)
	d.jobs("finally", root.get("finally"), defaults, &def)
	for _, job := range def.Jobs {
		def.Order = append(def.Order, job.Key)
	}
	if jobs := root.get("jobs"); jobs.absent() || jobs.kind == mapping && len(jobs.fields) == 0 {
		d.add(root, "jobs", "required: a pipeline has at least one job")
	}
	return def
}

// defaultShell is that of a script in the file: a line that fails ends the job. A job made
// over REST without a shell runs as sh -c.
const defaultShell = "sh"

var restShell = []string{"sh", "-c"}

// jobs reads the jobs of one section.
func (d *decoder) jobs(path string, n, defaults *node, def *hodei.Definition) {
	if n.absent() {
		return
	}
	d.places[path] = n
	if n.kind != mapping {
		d.add(n, path, "a mapping of jobs by their keys is required, not "+n.what())
		return
	}
	for _, f := range n.fields {
		below := under(path, f.key.text)
		d.places[below] = f.key
		body := f.value
		if body.isNull() {
			body = &node{kind: mapping, line: f.key.line, column: f.key.column}
		}
		job := d.job(below, body, defaults)
		job.Key, job.Finally = f.key.text, path == "finally"
		def.Jobs = append(def.Jobs, job)
	}
}

// job reads one job.
func (d *decoder) job(path string, body, defaults *node) hodei.JobDefinition {
	job := hodei.JobDefinition{Spec: hodei.Spec{Priority: hodei.DefaultPriority, Environment: map[string]string{}}}
	if body.kind == mapping {
		body = d.merge(path, defaults, body)
	}
	d.object(path, body, reflect.ValueOf(&job).Elem())
	d.oneType(path, &job)
	if job.Command.Shell != "" && job.Shell.IsZero() {
		job.Shell.Name = defaultShell
	}
	return job
}

// oneType makes one of the two fields that name the worker type.
func (d *decoder) oneType(path string, job *hodei.JobDefinition) {
	needs := &job.Requirements
	if job.Type != nil && needs.Type != nil && *job.Type != *needs.Type {
		path = under(path, "requirements.type")
		d.add(d.places[path], path, "contradicts type; give one of them")
	}
	if needs.Type == nil {
		needs.Type = job.Type
	}
	job.Type = needs.Type
	needs.Capacity = needs.Slots()
}

// rawJSON is the tree as JSON. A number keeps its text, or becomes a text.
func rawJSON(n *node) json.RawMessage {
	var b bytes.Buffer
	writeJSON(&b, n, "")
	return b.Bytes()
}
