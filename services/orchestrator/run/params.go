package run

import (
	"slices"

	"github.com/hodei-jobs/hodei"
)

// Params returns the values of all parameters: those given, and defaults.
func Params(declared []hodei.Param, given map[string]hodei.Scalar) (map[string]string, error) {
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
			if issue := p.Issue(value); issue != "" {
				return nil, hodei.InvalidField("params."+p.Name, issue)
			}
		case p.Required:
			return nil, hodei.InvalidField("params."+p.Name, "required")
		case p.Default != nil:
			value = *p.Default
		}
		out[p.Name] = string(value)
	}
	return out, nil
}
