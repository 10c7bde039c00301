package hodei

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// MaxLegs is the most legs that a matrix expands to.
	MaxLegs = 256
	// MaxLeg is the most bytes of a leg with the names of its axes. It is part of the key of a
	// job, which an index of Postgres must hold.
	MaxLeg = 1 << 10
)

// Matrix runs a job once for each combination of values, called a leg.
type Matrix struct {
	// Values are the values of each axis; the legs are their product.
	Values map[string][]Scalar `json:"values,omitempty"`
	// Exclude leaves out the legs that have all values of one entry.
	Exclude []map[string]Scalar `json:"exclude,omitempty" jsonschema:"maxItems=256"`
	// Include are whole additional legs.
	Include []map[string]Scalar `json:"include,omitempty" jsonschema:"maxItems=256"`
	// From is an output of a need, as needs.JOB.outputs.NAME, that holds a JSON list of
	// values or objects: a leg for each. It replaces values, exclude and include.
	From string `json:"from,omitempty" jsonschema:"maxLength=200"`
	// MaxParallel is the number of legs that run at a time; 0 means all.
	MaxParallel int `json:"max_parallel,omitempty" jsonschema:"minimum=1,maximum=256"`
	// FailFast cancels the other legs when one fails.
	FailFast bool `json:"fail_fast,omitempty" jsonschema:"default=false"`
}

// Item is the axis of a leg that comes from a scalar in the list of From.
const Item = "item"

// Leg has one value for each axis.
type Leg map[string]string

// String is the leg as it follows the key of its job: [go=1.26,os=linux].
func (l Leg) String() string {
	parts := make([]string, 0, len(l))
	for _, axis := range slices.Sorted(maps.Keys(l)) {
		parts = append(parts, axis+"="+l[axis])
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Issue returns what is wrong with the leg, "" if nothing is.
func (l Leg) Issue() string {
	for axis, value := range l {
		switch {
		case !IsOutput(axis):
			return "the name of an axis has letters, digits, - and _, and no digit first"
		case strings.ContainsRune(value, 0):
			return "must not contain the NUL character"
		}
	}
	if size := len(l.String()); size > MaxLeg {
		return fmt.Sprintf("a leg of %d bytes; at most %d are allowed", size, MaxLeg)
	}
	return ""
}

// Size is the number of legs before exclude and duplicates, or MaxLegs+1 when there
// are more than a matrix may have.
func (m Matrix) Size() int {
	size := 0
	if len(m.Values) > 0 {
		size = 1
		for _, values := range m.Values {
			if size *= len(values); size > 1<<20 {
				return 1 << 20
			}
		}
	}
	return size + len(m.Include)
}

// Legs are the legs of a matrix that has no From, in a stable order, without
// duplicates: the product with the last axis changing fastest, then Include. They
// are nil when the product is larger than 65536.
func (m Matrix) Legs() []Leg {
	if m.Size() > 1<<16 {
		return nil
	}
	var legs []Leg
	seen := map[string]bool{}
	add := func(leg Leg) {
		if key := leg.String(); !seen[key] {
			seen[key] = true
			legs = append(legs, leg)
		}
	}
	for _, leg := range product(m.Values) {
		if !slices.ContainsFunc(m.Exclude, leg.has) {
			add(leg)
		}
	}
	for _, include := range m.Include {
		leg := Leg{}
		for axis, value := range include {
			leg[axis] = string(value)
		}
		add(leg)
	}
	return legs
}

// has reports whether the leg has all the values; an entry without values is in none.
func (l Leg) has(values map[string]Scalar) bool {
	for axis, value := range values {
		if own, ok := l[axis]; !ok || own != string(value) {
			return false
		}
	}
	return len(values) > 0
}

func product(values map[string][]Scalar) []Leg {
	if len(values) == 0 {
		return nil
	}
	legs := []Leg{{}}
	for _, axis := range slices.Sorted(maps.Keys(values)) {
		var next []Leg
		for _, leg := range legs {
			for _, value := range values[axis] {
				longer := maps.Clone(leg)
				longer[axis] = string(value)
				next = append(next, longer)
			}
		}
		legs = next
	}
	return legs
}
