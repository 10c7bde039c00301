package definition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// axes are the names that matrix.* may have; none when an output decides.
func axes(m *hodei.Matrix) []string {
	names := map[string]bool{}
	for axis := range m.Values {
		names[axis] = true
	}
	for _, leg := range m.Include {
		for axis := range leg {
			names[axis] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (c *checker) matrix(at string, job *hodei.JobDefinition) {
	m := job.Matrix
	if m == nil {
		return
	}
	at = under(at, "matrix")
	if m.From != "" {
		if len(m.Values)+len(m.Exclude)+len(m.Include) > 0 {
			c.add(at, "from replaces values, exclude and include: give one or the other")
		}
		kind, _, _ := strings.Cut(m.From, ".")
		if issue := (scope{c: c, job: job}).name(m.From); kind != "needs" || issue != "" {
			if kind != "needs" {
				issue = "needs.JOB.outputs.NAME is required"
			}
			c.add(under(at, "from"), "%s", issue)
		}
		return
	}
	if len(m.Values)+len(m.Include) == 0 {
		c.add(at, "values, include or from is required")
		return
	}
	c.axes(at, m)
	c.legs(at, m)
}

// axes checks the names of the axes and that exclude and include have them.
func (c *checker) axes(at string, m *hodei.Matrix) {
	for _, axis := range axes(m) {
		if !paramName.MatchString(axis) {
			c.add(under(under(at, "values"), axis), "%q is no name of an axis: letters, digits, - and _ are, and no digit first", clip(axis))
		}
	}
	for axis, values := range m.Values {
		if len(values) == 0 {
			c.add(under(under(at, "values"), axis), "must not be empty")
		}
		for i, value := range values {
			if strings.ContainsAny(string(value), "\n\r\t") || len(value) > 200 {
				c.add(fmt.Sprintf("%s.values.%s[%d]", at, axis, i), "at most 200 bytes without line breaks are allowed")
			}
		}
	}
	for i, out := range m.Exclude {
		for _, axis := range sorted(out) {
			where := fmt.Sprintf("%s.exclude[%d].%s", at, i, axis)
			values, ok := m.Values[axis]
			if !ok {
				c.add(where, "no axis %q%s", clip(axis), suggest(axis, sorted(m.Values)))
			} else if !slices.Contains(values, out[axis]) {
				c.add(where, "the axis %q has no value %q: nothing is excluded", axis, clip(string(out[axis])))
			}
		}
	}
	for i, leg := range m.Include {
		for _, axis := range sorted(m.Values) {
			if _, ok := leg[axis]; !ok {
				c.add(fmt.Sprintf("%s.include[%d]", at, i), "%q is missing: each entry is a whole leg", axis)
			}
		}
	}
}

// legs checks their number and their length.
func (c *checker) legs(at string, m *hodei.Matrix) {
	size := m.Size()
	if size <= 1<<16 {
		legs := m.Legs()
		size = len(legs)
		for _, leg := range legs {
			if n := len(leg.String()); n > hodei.MaxLeg {
				c.add(at, "a leg of %d bytes; at most %d are allowed", n, hodei.MaxLeg)
			}
		}
	}
	switch {
	case size > hodei.MaxLegs:
		c.add(at, "%d legs; at most %d are allowed", size, hodei.MaxLegs)
	case size == 0:
		c.add(at, "exclude leaves no leg")
	}
}
