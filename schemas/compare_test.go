package schemas

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// change is one difference between the released and the current schema.
type change struct {
	at     string // the field, in dotted notation
	what   string
	breaks bool // breaks users that are not warned
}

func (c change) String() string {
	return fmt.Sprintf("%s: %s", cmp.Or(c.at, "the whole"), c.what)
}

// side is the direction of a schema.
type side int

const (
	request side = iota // users write it: the accepted values must not shrink
	reply               // users read it: the fields that they rely on must not disappear
)

// comparer collects the changes from an old schema to a new one. Users must
// accept unknown fields and enumeration values, so additional ones in a reply
// break nothing.
type comparer struct {
	side    side
	was, is object // the documents, for their $defs
	changes []change
}

func compare(s side, was, is object) []change {
	c := &comparer{side: s, was: was, is: is}
	c.schema("", was, is)
	slices.SortFunc(c.changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what)) })
	return c.changes
}

func (c *comparer) note(at string, breaks bool, format string, args ...any) {
	c.changes = append(c.changes, change{at, fmt.Sprintf(format, args...), breaks})
}

// follow resolves a reference into the document's definitions.
func follow(doc, schema object) object {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	defs, _ := doc["$defs"].(object)
	target, _ := defs[strings.TrimPrefix(ref, "#/$defs/")].(object)
	return target
}

func (c *comparer) schema(at string, was, is object) {
	was, is = follow(c.was, was), follow(c.is, is)
	if was["anyOf"] != nil || is["anyOf"] != nil {
		c.alternatives(at, alternatives(was), alternatives(is))
		return
	}
	c.types(at, was, is)
	c.words(at, was, is)
	c.form(at, was, is)
	c.bounds(at, was, is)
	c.fields(at, was, is)
	for _, below := range []string{"items", "additionalProperties", "propertyNames"} {
		old, had := was[below].(object)
		new, has := is[below].(object)
		if had && has {
			c.schema(at+"[]", old, new)
		} else if had != has && below != "additionalProperties" {
			c.note(at, (c.side == request) == has, "%s %s", below, map[bool]string{true: "added", false: "removed"}[has])
		}
	}
}

// types compares the JSON types. Fewer types break writers, more types break
// readers.
func (c *comparer) types(at string, was, is object) {
	old, new := kinds(was), kinds(is)
	if len(old) == 0 && len(new) == 0 {
		return
	}
	for _, kind := range old {
		if !slices.Contains(new, kind) && !(kind == "integer" && slices.Contains(new, "number")) {
			c.note(at, c.side == request, "no longer %s", kind)
		}
	}
	for _, kind := range new {
		if !slices.Contains(old, kind) && !(kind == "integer" && slices.Contains(old, "number")) {
			c.note(at, c.side == reply, "now may be %s", kind)
		}
	}
}

func kinds(schema object) (out []string) {
	switch kind := schema["type"].(type) {
	case string:
		return []string{kind}
	case []any:
		for _, one := range kind {
			out = append(out, one.(string))
		}
	}
	return out
}

// words compares the values of an enumeration. A removed value breaks both
// sides.
func (c *comparer) words(at string, was, is object) {
	old, had := was["enum"].([]any)
	new, has := is["enum"].([]any)
	switch {
	case !had && has:
		c.note(at, c.side == request, "now one of %v only", new)
		return
	case had && !has:
		c.note(at, false, "no longer limited to %v", old)
		return
	}
	for _, word := range old {
		if !slices.Contains(new, word) {
			c.note(at, true, "value %v removed", word)
		}
	}
	for _, word := range new {
		if !slices.Contains(old, word) {
			c.note(at, false, "value %v added", word)
		}
	}
}

// form compares the pattern and the format of a string.
func (c *comparer) form(at string, was, is object) {
	for _, key := range []string{"pattern", "format", "const"} {
		old, new := was[key], is[key]
		switch {
		case reflect.DeepEqual(old, new):
		case old == nil:
			c.note(at, c.side == request && key != "format", "%s %v added", key, new)
		case new == nil:
			c.note(at, c.side == reply, "%s %v removed", key, old)
		default:
			c.note(at, c.side == reply || !widened(old, new), "%s %v became %v", key, old, new)
		}
	}
}

// widened reports whether the new pattern is the old one or adds an alternative
// to it, alone or in a comma-separated list, so that everything that matched
// still matches.
func widened(old, new any) bool {
	a, _ := old.(string)
	b, _ := new.(string)
	inner := strings.TrimSuffix(strings.TrimPrefix(a, "^"), "$")
	return inner != "" && (strings.HasPrefix(b, "^("+inner+"|") || b == "^"+inner+"(,"+inner+")*$")
}

// bounds compares the limits of a request, which must not become tighter.
// Replies have none.
func (c *comparer) bounds(at string, was, is object) {
	if c.side == reply {
		return
	}
	for key, tighter := range map[string]int{
		"minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1, "minProperties": 1,
		"maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1, "maxProperties": -1,
	} {
		old, had := was[key].(float64)
		new, has := is[key].(float64)
		if had == has && old == new {
			continue
		}
		tightened := has && (!had || cmp.Compare(new, old) == tighter)
		c.note(at, tightened, "%s %v became %v", key, was[key], is[key])
	}
}

// fields compares the fields of an object.
func (c *comparer) fields(at string, was, is object) {
	old, _ := was["properties"].(object)
	new, _ := is["properties"].(object)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		below := strings.TrimPrefix(at+"."+name, ".")
		now, kept := new[name].(object)
		if !kept {
			c.note(below, true, "removed")
			continue
		}
		c.schema(below, old[name].(object), now)
		needed, needs := required(was, name), required(is, name)
		if needed != needs {
			c.note(below, (c.side == request) == needs, "%s", map[bool]string{true: "now required", false: "no longer required"}[needs])
		}
	}
	for name := range new {
		if _, had := old[name]; !had {
			needs := required(is, name)
			c.note(strings.TrimPrefix(at+"."+name, "."), c.side == request && needs,
				"added%s", map[bool]string{true: ", required"}[needs])
		}
	}
	if was["additionalProperties"] != false && is["additionalProperties"] == false && was["type"] == "object" {
		c.note(at, c.side == request, "takes no other fields any more")
	}
}

func required(schema object, name string) bool {
	return slices.Contains(list(schema["required"]), any(name))
}

func alternatives(schema object) []any {
	if any, ok := schema["anyOf"].([]any); ok {
		return any
	}
	return []any{schema}
}

// alternatives compares alternatives. Each old one of a request and each new
// one of a reply needs a compatible one on the other side.
func (c *comparer) alternatives(at string, was, is []any) {
	fits := func(old, new any) bool {
		try := &comparer{side: c.side, was: c.was, is: c.is}
		try.schema(at, old.(object), new.(object))
		return !slices.ContainsFunc(try.changes, func(ch change) bool { return ch.breaks })
	}
	for _, old := range was {
		if !slices.ContainsFunc(is, func(new any) bool { return fits(old, new) }) {
			c.note(at, c.side == request, "no longer %v", old)
		}
	}
	for _, new := range is {
		if !slices.ContainsFunc(was, func(old any) bool { return fits(old, new) }) {
			c.note(at, c.side == reply, "now may be %v", new)
		}
	}
}
