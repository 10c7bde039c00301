package definition

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// reader turns a document into a tree.
type reader struct {
	problems
	nodes int // so far
	full  bool
}

func (r *reader) yaml(text []byte) *node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if at := invalidUTF8(text); at >= 0 {
		r.add(position(text, at), "", "the text is not UTF-8")
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		r.syntax(text, err)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return r.convert(doc.Content[0], "", 0, nil)
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// position is that of a byte of the text.
func position(text []byte, offset int) *node {
	before := text[:min(max(offset, 0), len(text))]
	line := bytes.Count(before, []byte("\n")) + 1
	start := bytes.LastIndexByte(before, '\n') + 1
	return &node{line: line, column: utf8.RuneCount(before[start:]) + 1}
}

// syntax reports an error of the YAML library in the words of the file.
func (r *reader) syntax(text []byte, err error) {
	var wrong *yaml.LoadError
	switch issue := err.Error(); {
	case strings.Contains(issue, "no documents in stream"):
		r.add(nil, "", "the document is empty")
		return
	case strings.Contains(issue, "expected single document"):
		r.add(nil, "", "one document is expected, not several separated by ---")
		return
	case !errors.As(err, &wrong):
		r.add(nil, "", "the YAML cannot be read: "+issue)
		return
	}
	at := &node{line: wrong.Mark.Line, column: wrong.Mark.Column}
	if at.line == 0 {
		if at = controlCharacter(text); at == nil {
			r.add(nil, "", "the YAML cannot be read: "+wrong.Message)
			return
		}
	}
	r.add(at, "", "the YAML cannot be read: "+explained(text, at, wrong))
}

func controlCharacter(text []byte) *node {
	for i, c := range string(text) {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return position(text, i)
		}
	}
	return nil
}

// explained is the message of the library, with what to do about it.
func explained(text []byte, at *node, wrong *yaml.LoadError) string {
	issue := wrong.Message
	lines := strings.Split(string(text), "\n")
	var c rune
	if at.line <= len(lines) {
		if rest := []rune(lines[at.line-1]); at.column >= 1 && at.column <= len(rest) {
			c = rest[at.column-1]
		}
	}
	switch {
	case strings.Contains(issue, "cannot start any token") && c == '\t':
		issue = "a tab cannot indent: use spaces"
	case strings.Contains(issue, "cannot start any token"):
		issue = fmt.Sprintf("a text without quotes cannot start with %q: put quotes around it", c)
	case strings.Contains(issue, "mapping values are not allowed"):
		issue = `": " is not allowed here: put quotes around a text that has it, and check the indentation`
	case strings.Contains(issue, "unknown anchor"):
		issue += `: put quotes around a text that starts with "*"`
	}
	if wrong.ContextMsg != "" && wrong.ContextMark.Line > 0 && wrong.ContextMark.Line != at.line {
		issue += fmt.Sprintf(" (%s that starts at line %d)", wrong.ContextMsg, wrong.ContextMark.Line)
	}
	return issue
}

// convert follows aliases and merge keys. within are the anchors being followed.
func (r *reader) convert(y *yaml.Node, path string, depth int, within []*yaml.Node) *node {
	n := &node{line: y.Line, column: y.Column}
	if y.Kind == yaml.AliasNode {
		for _, outer := range within {
			if outer == y.Alias {
				r.add(n, path, fmt.Sprintf("the alias *%s contains itself", y.Value))
				return nil
			}
		}
		return r.convert(y.Alias, path, depth, within)
	}
	if !r.room(n, path, depth) {
		return nil
	}
	if !r.core(y, n, path) { // goes on as a text
		n.text, n.tag = y.Value, "!!str"
		return n
	}
	if y.Anchor != "" {
		within = append(within, y)
	}
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind, n.flow = list, y.Style&yaml.FlowStyle != 0
		for i, item := range y.Content {
			if item := r.convert(item, at(path, i), depth+1, within); item != nil {
				n.items = append(n.items, item)
			}
		}
	case yaml.MappingNode:
		n.kind, n.flow = mapping, y.Style&yaml.FlowStyle != 0
		r.mapping(y, n, path, depth, within)
	default:
		n.text, n.tag = y.Value, y.ShortTag()
		if strings.ContainsRune(n.text, 0) {
			r.add(n, path, "must not contain the NUL character")
		}
	}
	return n
}

// room reports whether the tree may have one more node.
func (r *reader) room(n *node, path string, depth int) bool {
	if r.nodes++; r.nodes > maxNodes {
		if !r.full {
			r.full = true
			r.add(n, path, fmt.Sprintf("the document has more than %d values once its aliases are followed", maxNodes))
		}
		return false
	}
	if depth > maxDepth {
		r.add(n, path, fmt.Sprintf("nested more than %d deep", maxDepth))
		return false
	}
	return true
}

// core refuses tags other than those of the core schema. YAML reads "! x" and "!x" as
// tags and would drop the "!".
func (r *reader) core(y *yaml.Node, n *node, path string) bool {
	if y.Tag != "!" {
		switch y.ShortTag() {
		case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!seq", "!!map", "!!merge", "!!timestamp", "":
			return true
		}
	}
	r.add(n, path, fmt.Sprintf(`%q is a YAML tag, not text: put quotes around a text that starts with "!"`, y.Tag))
	return false
}

func (r *reader) mapping(y *yaml.Node, n *node, path string, depth int, within []*yaml.Node) {
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		key := &node{text: k.Value, tag: "!!str", line: k.Line, column: k.Column}
		if k.Kind != yaml.ScalarNode {
			r.add(key, path, "a key must be a text")
			continue
		}
		if !r.core(k, key, path) {
			continue
		}
		below := under(path, k.Value)
		value := r.convert(v, below, depth+1, within)
		if value == nil {
			continue
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, r.sources(value, path)...)
			continue
		}
		if first := n.get(k.Value); first != nil {
			r.add(key, below, "given twice")
			continue
		}
		if n.flow && value.isNull() && value.text == "" {
			r.add(key, below, "has no value: in { } a comma starts a new field, so put quotes around a text that has a comma; write null for no value")
			continue
		}
		n.set(key, value)
	}
	for _, source := range merged {
		for _, f := range source.fields {
			if n.get(f.key.text) == nil {
				n.set(f.key, f.value)
			}
		}
	}
}

// sources are the mappings that a merge key names.
func (r *reader) sources(value *node, path string) []*node {
	all := []*node{value}
	if value.kind == list {
		all = value.items
	}
	for _, one := range all {
		if one.kind != mapping {
			r.add(one, under(path, "<<"), "an alias of a mapping, or a list of them, is required")
			return nil
		}
	}
	return all
}
