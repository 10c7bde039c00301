package run

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// params are the values of all parameters: those given, and defaults.
func params(declared []hodei.Param, given map[string]hodei.Scalar) (map[string]string, error) {
	for name := range given {
		if !slices.ContainsFunc(declared, func(p hodei.Param) bool { return p.Name == name }) {
			return nil, hodei.InvalidField("params."+name, "the pipeline has no parameter of this name")
		}
	}
	out := map[string]string{}
	for _, p := range declared {
		value, ok := given[p.Name]
		switch {
		case ok:
			if issue := issueOf(p, value); issue != "" {
				return nil, hodei.InvalidField("params."+p.Name, issue)
			}
		case p.Required && p.Default == nil:
			return nil, hodei.InvalidField("params."+p.Name, "required")
		case p.Default != nil:
			value = *p.Default
		}
		out[p.Name] = string(value)
	}
	return out, nil
}

// issueOf is what is wrong with a value, "" when nothing is.
func issueOf(p hodei.Param, value hodei.Scalar) string {
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		choices := make([]string, len(p.Enum))
		for i, choice := range p.Enum {
			choices[i] = string(choice)
		}
		return "one of " + strings.Join(choices, ", ") + " required"
	}
	switch p.Type {
	case "number":
		if _, err := strconv.ParseFloat(string(value), 64); err != nil {
			return fmt.Sprintf("a number required, not %q", string(value))
		}
	case "boolean":
		if value != "true" && value != "false" {
			return "true or false required"
		}
	}
	return ""
}
