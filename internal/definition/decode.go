package definition

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
)

// decoder reads a tree into the types of hodei.
type decoder struct {
	*problems
	// places has the node of each path that was read.
	places map[string]*node
}

// value reads a node into v. The rule is that of the field that holds it.
func (d *decoder) value(path string, n *node, v reflect.Value, r rule) {
	if _, ok := d.places[path]; !ok {
		d.places[path] = n
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if d.special(path, n, v, r) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(path, n, v)
	case reflect.Slice:
		d.slice(path, n, v, r)
	case reflect.Map:
		d.table(path, n, v)
	default:
		d.scalar(path, n, v, r)
	}
}

// special reads the types that have a form of their own.
func (d *decoder) special(path string, n *node, v reflect.Value, r rule) bool {
	switch into := v.Addr().Interface().(type) {
	case *hodei.Command:
		if n.kind == list {
			d.value(path, n, reflect.ValueOf(&into.Args).Elem(), rule{least: 1})
		} else {
			d.value(path, n, reflect.ValueOf(&into.Shell).Elem(), rule{least: 1})
		}
	case *hodei.Shell:
		if n.kind == list {
			d.value(path, n, reflect.ValueOf(&into.Args).Elem(), rule{least: 1})
		} else {
			d.value(path, n, reflect.ValueOf(&into.Name).Elem(), rule{enum: []string{"sh", "bash", "pwsh"}})
		}
	case *hodei.Conditions:
		if n.kind == mapping {
			*into = make(hodei.Conditions, 1)
			d.value(path, n, reflect.ValueOf(&(*into)[0]).Elem(), rule{})
			return true
		}
		d.slice(path, n, v, rule{least: 1, long: 100})
	case *hodei.Globs:
		if n.kind == scalar {
			*into = make(hodei.Globs, 1)
			d.value(path, n, reflect.ValueOf(&(*into)[0]).Elem(), rule{})
			return true
		}
		d.slice(path, n, v, rule{least: 1, long: 100})
	default:
		return false
	}
	return true
}

// object reads a struct: a mapping, or the value of its short field.
func (d *decoder) object(path string, n *node, v reflect.Value) {
	all := rules(v.Type())
	if n.kind != mapping {
		for _, r := range all {
			if r.short && n.kind == scalar && !n.isNull() {
				d.value(path, n, v.FieldByIndex(r.index), r)
				return
			}
		}
		d.add(n, path, "a mapping is required, not "+n.what())
		return
	}
	for _, f := range n.fields {
		d.field(path, f, v, all)
	}
	for _, r := range all {
		if r.required && !r.key && n.get(r.name).absent() {
			d.add(n, under(path, r.name), "required")
		}
	}
}

// absent reports whether a field has no value; null stands for none.
func (n *node) absent() bool { return n == nil || n.isNull() }

func (d *decoder) field(path string, f field, v reflect.Value, all []rule) {
	name := f.key.text
	r := find(all, name)
	// A field without a JSON name of its own exists in its short form alone.
	if r == nil || r.key || r.json == "-" {
		known := make([]string, 0, len(all))
		for _, r := range all {
			if !r.key && r.json != "-" {
				known = append(known, r.name)
			}
		}
		d.add(f.key, under(path, name), "unknown field"+suggest(name, known))
		return
	}
	if f.value.isNull() {
		return
	}
	if f.value.kind != scalar && !f.value.flow {
		f.value.line, f.value.column = f.key.line, f.key.column
	}
	if r.keyed {
		d.keyed(under(path, name), f.value, v.FieldByIndex(r.index))
		return
	}
	d.value(under(path, name), f.value, v.FieldByIndex(r.index), *r)
}

// keyed reads a list of structs that the file has as a mapping.
func (d *decoder) keyed(path string, n *node, v reflect.Value) {
	d.places[path] = n
	if n.kind != mapping {
		d.add(n, path, "a mapping is required, not "+n.what())
		return
	}
	for _, f := range n.fields {
		one := reflect.New(v.Type().Elem()).Elem()
		for _, r := range rules(one.Type()) {
			if r.key {
				d.value(under(path, f.key.text), f.key, one.FieldByIndex(r.index), r)
			}
		}
		if !f.value.isNull() {
			d.object(under(path, f.key.text), f.value, one)
		}
		v.Set(reflect.Append(v, one))
	}
}

func (d *decoder) slice(path string, n *node, v reflect.Value, r rule) {
	if n.kind != list {
		hint := ""
		if n.kind == scalar && !n.isNull() {
			hint = ": write [" + clip(n.text) + "]"
		}
		wanted := "a list"
		if strings.HasSuffix(path, ".if") { // a condition; most are one mapping
			wanted, hint = "a mapping such as { params.x: 1 }", ""
		}
		d.add(n, path, wanted+" is required, not "+n.what()+hint)
		return
	}
	if issue := within(len(n.items), r, "values"); issue != "" {
		d.add(n, path, issue)
		return
	}
	if len(n.items) == 0 {
		return
	}
	items := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if item.isNull() {
			d.add(item, at(path, i), "a value is required, not null")
			continue
		}
		d.value(at(path, i), item, items.Index(i), rule{enum: r.enum})
	}
	v.Set(items)
}

func (d *decoder) table(path string, n *node, v reflect.Value) {
	if n.kind != mapping {
		d.add(n, path, "a mapping is required, not "+n.what())
		return
	}
	if len(n.fields) == 0 {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.fields)))
	for _, f := range n.fields {
		below := under(path, f.key.text)
		if f.value.isNull() {
			d.add(f.key, below, `has no value; write "" for an empty one`)
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(below, f.value, value, rule{})
		v.SetMapIndex(reflect.ValueOf(f.key.text).Convert(v.Type().Key()), value)
	}
}

// within returns the problem of a length, "" if it is valid.
func within(n int, r rule, of string) string {
	switch {
	case n < r.least && r.least == 1:
		return "must not be empty"
	case n < r.least:
		return fmt.Sprintf("%d %s; at least %d are required", n, of, r.least)
	case r.long > 0 && n > r.long:
		return fmt.Sprintf("%d %s; at most %d are allowed", n, of, r.long)
	}
	return ""
}

func (d *decoder) scalar(path string, n *node, v reflect.Value, r rule) {
	if n.kind != scalar || n.isNull() {
		d.add(n, path, map[reflect.Kind]string{reflect.Bool: "true or false", reflect.String: "a text"}[v.Kind()]+" is required, not "+n.what())
		return
	}
	issue := ""
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.text)
		issue = r.text(n.text)
	case reflect.Bool:
		issue = boolean(n, v)
	default:
		issue = r.number(n, v)
	}
	if issue != "" {
		d.add(n, path, issue)
	}
}

// text returns the problem of a text, "" if it is valid.
func (r rule) text(text string) string {
	if len(r.enum) > 0 && !slices.Contains(r.enum, text) {
		return fmt.Sprintf("%q is not one of %s%s", clip(text), strings.Join(r.enum, ", "), suggest(text, r.enum))
	}
	if issue := within(utf8.RuneCountInString(text), r, "characters"); issue != "" {
		return issue
	}
	if r.pattern != nil && !r.pattern.MatchString(text) {
		if strings.TrimSpace(text) == "" {
			return "must not be blank"
		}
		return fmt.Sprintf("%q does not match %s", clip(text), r.pattern)
	}
	return ""
}

func boolean(n *node, v reflect.Value) string {
	if n.tag == "!!bool" {
		v.SetBool(strings.EqualFold(n.text, "true"))
		return ""
	}
	hint := ""
	switch strings.ToLower(n.text) {
	case "yes", "on", "y":
		hint = ": write true"
	case "no", "off", "n":
		hint = ": write false"
	}
	return "true or false is required, not " + n.what() + hint
}

func (r rule) number(n *node, v reflect.Value) string {
	var f float64
	var err error
	switch {
	case r.duration:
		f, err = ParseDuration(n.text)
	case r.size:
		f, err = parseSize(n.text)
	case n.tag != "!!int" && n.tag != "!!float":
		return "a number is required, not " + n.what()
	default:
		if f, err = strconv.ParseFloat(n.text, 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return "a decimal number is required, not " + clip(n.text)
		}
	}
	if err != nil {
		return err.Error()
	}
	if issue := r.outside(f); issue != "" {
		return issue
	}
	if v.Kind() == reflect.Float64 {
		v.SetFloat(f)
		return ""
	}
	if f != math.Trunc(f) || math.Abs(f) > hodei.MaxSequence {
		return "a whole number is required, not " + clip(n.text)
	}
	v.SetInt(int64(f))
	return ""
}

func (r rule) outside(f float64) string {
	show := func(f float64) string {
		switch {
		case r.duration:
			return formatDuration(f)
		case r.size:
			return formatSize(f)
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	switch {
	case r.low != nil && r.above && f <= *r.low:
		return "more than " + show(*r.low) + " is required"
	case r.low != nil && f < *r.low:
		return "at least " + show(*r.low) + " is required"
	case r.high != nil && f > *r.high:
		return "at most " + show(*r.high) + " is allowed"
	}
	return ""
}
