package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hodei-jobs/hodei"
)

// ToJSON writes the definition as JSON that Parse reads.
func ToJSON(def hodei.Definition) []byte {
	var b bytes.Buffer
	writeJSON(&b, tree(def, true), "")
	return b.Bytes()
}

// FromJSON is JSON as YAML, for a definition that ToJSON wrote.
func FromJSON(text []byte) ([]byte, error) {
	r := &reader{}
	root := r.json(text)
	if root == nil {
		return nil, fmt.Errorf("read definition: %v", r.list)
	}
	return yaml.Dump(toYAML(root), yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(false))
}

// tree is the definition as a document. Folded, jobs leave out what they have from the
// defaults.
func tree(def hodei.Definition, folded bool) *node {
	jobs, finally := def.Jobs, []hodei.JobDefinition(nil)
	def.Jobs = nil
	root := encodeStruct(reflect.ValueOf(def))
	if def.Slug == "" { // of a pipeline made over REST
		root = root.where(func(f field) bool { return f.key.text != "slug" })
	}
	defaults := parseRaw(def.Defaults)
	if defaults != nil {
		root.set(name("defaults"), canonical(defaults))
	}
	section := func(title string, of []hodei.JobDefinition) {
		n := &node{kind: mapping}
		for _, job := range of {
			one := encodeJob(job)
			if folded && defaults != nil {
				one = fold(canonical(defaults), one)
			}
			n.set(name(job.Key), one)
		}
		if len(of) > 0 || title == "jobs" {
			root.set(name(title), n)
		}
	}
	finally = slices.DeleteFunc(slices.Clone(jobs), func(j hodei.JobDefinition) bool { return !j.Finally })
	section("jobs", slices.DeleteFunc(slices.Clone(jobs), func(j hodei.JobDefinition) bool { return j.Finally }))
	section("finally", finally)
	return root
}

// encodeJob is a job as the file has it, with one worker type and without what every
// job has.
func encodeJob(job hodei.JobDefinition) *node {
	if job.Requirements.Type != nil {
		job.Type, job.Requirements.Type = job.Requirements.Type, nil
	}
	if job.Requirements.Capacity == 1 {
		job.Requirements.Capacity = 0
	}
	switch script := job.Command.Shell != ""; {
	case script && job.Shell.Name == defaultShell:
		job.Shell = hodei.Shell{}
	case script && job.Shell.IsZero():
		job.Shell.Args = restShell
	}
	n := encodeStruct(reflect.ValueOf(job))
	if job.Priority == hodei.DefaultPriority {
		n = n.where(func(f field) bool { return f.key.text != "priority" })
	}
	return graphFirst(n)
}

// graphFirst puts names and the place in the graph before what the job runs.
func graphFirst(n *node) *node {
	graph := rules(reflect.TypeFor[hodei.Graph]())
	first := func(f field) bool {
		return f.key.text == "name" || f.key.text == "description" || find(graph, f.key.text) != nil
	}
	out := n.where(first)
	for _, f := range n.fields {
		out.set(f.key, f.value)
	}
	return out
}

func parseRaw(raw json.RawMessage) *node {
	if len(raw) == 0 {
		return nil
	}
	r := &reader{}
	return r.json(raw)
}

// canonical is the defaults with each value in the form in which jobs have it, and in
// the order of the grammar.
func canonical(defaults *node) *node {
	d := &decoder{problems: &problems{}, places: map[string]*node{}}
	var job hodei.JobDefinition
	d.object("", defaults, reflect.ValueOf(&job).Elem())
	encoded := encodeStruct(reflect.ValueOf(job))
	out := &node{kind: mapping}
	for _, r := range jobRules() {
		given := defaults.get(r.name)
		if given == nil {
			continue
		}
		if form := encoded.get(r.name); form != nil {
			given = form
		}
		out.set(name(r.name), given)
	}
	return out
}

// fold is the job without what it has from the defaults, so that merge returns the job.
func fold(defaults, job *node) *node {
	out := &node{kind: mapping}
	for _, f := range job.fields {
		given := defaults.get(f.key.text)
		switch {
		case f.key.text == "env" && given != nil && given.kind == mapping:
			if env := foldVariables(given, f.value); len(env.fields) > 0 {
				out.set(f.key, env)
			}
		case !equal(given, f.value):
			out.set(f.key, f.value)
		}
	}
	for _, f := range defaults.fields {
		if job.get(f.key.text) == nil && applies(job, f.key.text) {
			out.set(f.key, null())
		}
	}
	if d := (&decoder{problems: &problems{}}); !equal(d.merge("", defaults, out), job) {
		return explicit(defaults, job)
	}
	return out
}

// explicit is the whole job, with null for each default that it does not have.
func explicit(defaults, job *node) *node {
	out := job.where(func(field) bool { return true })
	for _, f := range defaults.fields {
		if given := job.get(f.key.text); given == nil {
			out.set(f.key, null())
		} else if f.key.text == "env" {
			env := foldVariables(f.value, given)
			out.set(f.key, env)
		}
	}
	return out
}

func foldVariables(defaults, env *node) *node {
	out := env.where(func(f field) bool { return !equal(defaults.get(f.key.text), f.value) })
	for _, f := range defaults.fields {
		if env.get(f.key.text) == nil {
			out.set(f.key, null())
		}
	}
	return out
}

// equal reports whether two trees have the same values, in any order of their fields.
func equal(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.kind != b.kind || len(a.items) != len(b.items) || len(a.fields) != len(b.fields) {
		return false
	}
	if a.kind == scalar {
		return a.text == b.text && a.isNull() == b.isNull()
	}
	for i := range a.items {
		if !equal(a.items[i], b.items[i]) {
			return false
		}
	}
	for _, f := range a.fields {
		if other := b.get(f.key.text); other == nil || !equal(f.value, other) {
			return false
		}
	}
	return true
}

func null() *node             { return &node{tag: "!!null", text: "null"} }
func name(text string) *node  { return &node{tag: "!!str", text: text} }
func plain(text string) *node { return &node{tag: "!!int", text: text} }

// numeric are texts that are written as numbers: JSON and YAML read the same text back.
var numeric = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?$`)

// encode is the inverse of decoder.value; nil for a value that is left out.
func encode(v reflect.Value, r rule) *node {
	switch x := v.Interface().(type) {
	case hodei.Command:
		if len(x.Args) > 0 {
			return encode(reflect.ValueOf(x.Args), rule{})
		}
		return encode(reflect.ValueOf(x.Shell), rule{})
	case hodei.Shell:
		if len(x.Args) > 0 {
			return encode(reflect.ValueOf(x.Args), rule{})
		}
		return encode(reflect.ValueOf(x.Name), rule{})
	case hodei.Conditions:
		if len(x) == 1 {
			return encode(reflect.ValueOf(x[0]), rule{least: 1})
		}
	case hodei.Globs:
		if len(x) == 1 {
			return encode(reflect.ValueOf(x[0]), rule{least: 1})
		}
	case json.RawMessage:
		return nil // the defaults, which the caller writes
	}
	if r.least == 0 && v.Kind() != reflect.Struct && (v.IsZero() || v.Kind() == reflect.Map && v.Len() == 0) {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		r.least = 1
		if n := encode(v.Elem(), r); n != nil {
			return n
		}
		return &node{kind: mapping}
	case reflect.Struct:
		return encodeShort(v)
	case reflect.Slice:
		return encodeList(v, r)
	case reflect.Map:
		return encodeMap(v)
	}
	return encodeScalar(v, r)
}

// encodeShort is a struct, or the value of its short field where that is all it has.
func encodeShort(v reflect.Value) *node {
	all := rules(v.Type())
	for _, r := range all {
		if !r.short || v.FieldByIndex(r.index).IsZero() {
			continue
		}
		alone := reflect.New(v.Type()).Elem()
		alone.FieldByIndex(r.index).Set(v.FieldByIndex(r.index))
		if reflect.DeepEqual(alone.Interface(), v.Interface()) {
			return encode(v.FieldByIndex(r.index), rule{least: 1})
		}
	}
	n := encodeStruct(v)
	if len(n.fields) == 0 && v.IsZero() {
		return nil
	}
	return n
}

func encodeStruct(v reflect.Value) *node {
	n := &node{kind: mapping}
	for _, r := range rules(v.Type()) {
		if r.key || r.json == "-" {
			continue
		}
		f := v.FieldByIndex(r.index)
		one := r
		one.least = 0
		if r.required || r.name == "priority" {
			one.least = 1
		}
		if value := encode(f, one); value != nil {
			n.set(name(r.name), value)
		}
	}
	return n
}

func encodeList(v reflect.Value, r rule) *node {
	if r.keyed {
		n := &node{kind: mapping}
		for i := range v.Len() {
			for _, k := range rules(v.Index(i).Type()) {
				if k.key {
					n.set(name(v.Index(i).FieldByIndex(k.index).String()), encodeStruct(v.Index(i)))
				}
			}
		}
		return n
	}
	n := &node{kind: list}
	for i := range v.Len() {
		one := encode(v.Index(i), rule{least: 1})
		if one == nil {
			one = &node{kind: mapping}
		}
		n.items = append(n.items, one)
	}
	return n
}

func encodeMap(v reflect.Value) *node {
	n := &node{kind: mapping}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		one := encode(v.MapIndex(k), rule{least: 1})
		if one == nil {
			one = &node{kind: mapping}
		}
		n.set(name(k.String()), one)
	}
	return n
}

func encodeScalar(v reflect.Value, r rule) *node {
	switch v.Kind() {
	case reflect.Bool:
		return &node{tag: "!!bool", text: strconv.FormatBool(v.Bool())}
	case reflect.Int, reflect.Int64:
		if r.size {
			return name(formatSize(float64(v.Int())))
		}
		return plain(strconv.FormatInt(v.Int(), 10))
	case reflect.Float64:
		if r.duration {
			return name(formatDuration(v.Float()))
		}
		return plain(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	}
	if text := v.String(); v.Type() == reflect.TypeFor[hodei.Scalar]() && (numeric.MatchString(text) || text == "true" || text == "false") {
		return &node{tag: "!!float", text: text} // without quotes
	}
	return name(v.String())
}

func writeJSON(b *bytes.Buffer, n *node, indent string) {
	deeper := indent + "  "
	switch {
	case n.kind == list && len(n.items) == 0:
		b.WriteString("[]")
	case n.kind == mapping && len(n.fields) == 0:
		b.WriteString("{}")
	case n.kind == list:
		for i, item := range n.items {
			b.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0] + deeper)
			writeJSON(b, item, deeper)
		}
		b.WriteString("\n" + indent + "]")
	case n.kind == mapping:
		for i, f := range n.fields {
			b.WriteString(map[bool]string{true: "{\n", false: ",\n"}[i == 0] + deeper + quoted(f.key.text) + ": ")
			writeJSON(b, f.value, deeper)
		}
		b.WriteString("\n" + indent + "}")
	case n.isNull():
		b.WriteString("null")
	case n.tag != "!!str" && (numeric.MatchString(n.text) || n.text == "true" || n.text == "false"):
		b.WriteString(n.text)
	default:
		b.WriteString(quoted(n.text))
	}
}

func quoted(text string) string {
	out, _ := hodei.JSON(text) // a string always encodes
	return string(out)
}

// toYAML is the tree for the YAML library: scripts as blocks, short lists in a line.
func toYAML(n *node) *yaml.Node {
	y := &yaml.Node{Kind: yaml.ScalarNode, Value: n.text, Tag: n.tag}
	switch n.kind {
	case list:
		y.Kind, y.Tag = yaml.SequenceNode, "!!seq"
		if inLine(n) {
			y.Style = yaml.FlowStyle
		}
		for _, item := range n.items {
			y.Content = append(y.Content, toYAML(item))
		}
	case mapping:
		y.Kind, y.Tag = yaml.MappingNode, "!!map"
		if len(n.fields) == 0 {
			y.Style = yaml.FlowStyle
		}
		for _, f := range n.fields {
			y.Content = append(y.Content, toYAML(f.key), toYAML(f.value))
		}
	case scalar:
		switch {
		case n.tag == "!!str" && strings.Contains(n.text, "\n"):
			y.Style = yaml.LiteralStyle
		case n.tag == "!!float" || n.tag == "!!int" || n.tag == "!!bool":
			y.Tag = ""
		}
	}
	return y
}

// inLine reports whether a list is short and has only scalars without line breaks.
func inLine(n *node) bool {
	size := 0
	for _, item := range n.items {
		if size += len(item.text) + 2; item.kind != scalar || strings.Contains(item.text, "\n") {
			return false
		}
	}
	return size <= 80
}
