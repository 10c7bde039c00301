package definition

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// valuePath matches a place in the body of an event: names of fields and indexes of lists.
var valuePath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,9}$`)

// secretName matches the name of a secret, as in the operation that sets a secret.
var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// CheckHook returns the first problem of a hook of a pipeline with these settings, with the
// name of its field.
func CheckHook(h hodei.HookSpec, settings hodei.Settings) (field, issue string) {
	c := &checker{def: hodei.Definition{Settings: settings}}
	c.hook("", h)
	for _, p := range Errors(c.list) {
		return p.Field, p.Issue
	}
	return "", ""
}

func (c *checker) hook(path string, h hodei.HookSpec) {
	if !secretName.MatchString(h.Secret) {
		c.add(under(path, "secret"), "the name of a secret is required: letters, digits, _, . and -, and neither a digit nor . nor - first")
	}
	if h.Kind == hodei.HookGeneric {
		for _, f := range []struct {
			name  string
			given bool
		}{
			{"events", h.Events != nil}, {"branches", h.Branches != nil}, {"tags", h.Tags != nil}, {"paths", h.Paths != nil},
			{"forks", h.Forks != ""}, {"params", h.Params != nil},
		} {
			if f.given {
				c.add(under(path, f.name), "not for a generic hook: its sender gives params and ref")
			}
		}
	}
	if slices.Contains(h.Events, "tag") && len(h.Tags) == 0 {
		c.add(under(path, "tags"), "required with the event tag: tags start a run only where it is given (\"*\" for all of them)")
	}
	for field, globs := range map[string][]string{"branches": h.Branches, "tags": h.Tags, "paths": h.Paths} {
		for i, glob := range globs {
			c.plainGlob(fmt.Sprintf("%s[%d]", under(path, field), i), glob)
		}
	}
	if h.Definition == hodei.DefinitionRepository {
		c.hookOfRepository(path, h)
	}
	names := make([]string, len(c.def.Params))
	for i, p := range c.def.Params {
		names[i] = p.Name
	}
	for _, name := range sorted(h.Params) {
		if !slices.Contains(names, name) {
			c.add(under(under(path, "params"), name), "no param %q%s", clip(name), suggest(name, names))
		} else if !valuePath.MatchString(h.Params[name]) {
			c.add(under(under(path, "params"), name), "a place in the body of the event is required, such as head_commit.id")
		}
	}
	for _, p := range c.def.Params {
		if _, ok := h.Params[p.Name]; p.Required && !ok && h.Kind != hodei.HookGeneric {
			c.add(under(path, "params"), "the param %q is required", p.Name)
		}
	}
}
