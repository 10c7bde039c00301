package definition

import (
	"strconv"

	"github.com/hodei-jobs/hodei"
)

const (
	maxBytes = 1 << 20
	maxDepth = 64
	// maxNodes bounds the values of a document once its aliases are followed.
	maxNodes = 100_000
)

type kind int

const (
	scalar kind = iota
	list
	mapping
)

// node is a value of the document.
type node struct {
	kind kind
	text string
	// tag is the YAML type of a scalar: !!str, !!int, !!float, !!bool or !!null.
	tag    string
	flow   bool
	items  []*node
	fields []field
	// index finds a field by its key.
	index map[string]int

	line, column int
}

// field is one entry of a mapping.
type field struct{ key, value *node }

func (n *node) isNull() bool { return n.kind == scalar && n.tag == "!!null" }

// get returns the value of a key, nil where there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	if i, ok := n.index[key]; ok {
		return n.fields[i].value
	}
	return nil
}

// set replaces the value of a key, or appends it.
func (n *node) set(key, value *node) {
	if i, ok := n.index[key.text]; ok {
		n.fields[i] = field{key, value}
		return
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[key.text] = len(n.fields)
	n.fields = append(n.fields, field{key, value})
}

// where returns a copy of the mapping with the fields that keep accepts.
func (n *node) where(keep func(f field) bool) *node {
	out := *n
	out.fields, out.index = nil, nil
	for _, f := range n.fields {
		if keep(f) {
			out.set(f.key, f.value)
		}
	}
	return &out
}

func (n *node) what() string {
	switch {
	case n.kind == list:
		return "a list"
	case n.kind == mapping:
		return "a mapping"
	case n.tag == "!!int" || n.tag == "!!float":
		return "the number " + n.text
	case n.tag == "!!bool":
		return n.text
	case n.isNull():
		return "null"
	}
	return "the text " + strconv.Quote(clip(n.text))
}

// maxProblems is the most problems that are reported of one document.
const maxProblems = 100

// problems collects the problems of a document.
type problems struct {
	list []hodei.Problem
	seen map[hodei.Problem]bool
}

// add reports a problem at a node, once: a value may be reached by several paths.
func (p *problems) add(n *node, path, issue string) {
	problem := hodei.Problem{Field: path, Issue: issue}
	if n != nil {
		problem.Line, problem.Column = n.line, n.column
		once := problem
		once.Field = ""
		if p.seen[once] {
			return
		}
		if p.seen == nil {
			p.seen = map[hodei.Problem]bool{}
		}
		p.seen[once] = true
	}
	if len(p.list) < maxProblems {
		p.list = append(p.list, problem)
	}
}

// under is the path of a field below another.
func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// clip keeps the document's text short in messages.
func clip(s string) string { return hodei.Clip(s, 60) }
