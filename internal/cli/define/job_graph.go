package define

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// graphFlags are the flags for the place of a job in its pipeline and for its setup. --file has
// the fields without a flag.
type graphFlags struct {
	key, when, shell, after, approval string
	needs                             []string
	conditions, axes                  lists
	allowFailure, finally             bool
}

// lists is a flag K=V,V that may be repeated, and cleared by an empty value.
type lists struct{ cmdline.Pairs }

func (l *lists) Set(text string) error {
	if text == "" {
		return nil
	}
	return l.Pairs.Set(text)
}

func (f *graphFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.key, "key", "", "key that names the job in needs, runs and logs")
	flags.StringSliceVar(&f.needs, "needs", nil, "keys of jobs that must end first; repeatable")
	flags.StringVar(&f.when, "when", "", "outcome of these with which it runs: success (default), failure or always")
	flags.Var(&f.conditions, "if", "condition, such as run.branch=main,release-*; all of several must hold")
	flags.Var(&f.axes, "matrix", "axis and its values, such as go=1.25,1.26: one leg for each combination; repeatable")
	flags.BoolVar(&f.allowFailure, "allow-failure", false, "a failure counts as success")
	flags.BoolVar(&f.finally, "finally", false, "run after all other jobs")
	flags.StringVar(&f.approval, "approval", "", "question to a person, whose approval the job waits for")
	flags.StringVar(&f.shell, "shell", "", "shell of --command: sh, bash or pwsh (default: sh -c)")
	flags.StringVar(&f.after, "after", "", "script that runs after the command, whatever its outcome")
}

func (f *graphFlags) setup() hodei.Setup {
	return hodei.Setup{Shell: hodei.Shell{Name: f.shell}, After: f.after}
}

func (f *graphFlags) graph() hodei.Graph {
	g := hodei.Graph{Key: f.key, When: hodei.When(f.when), Finally: f.finally, AllowFailure: hodei.AllowFailure{Any: f.allowFailure}}
	for _, key := range f.needs {
		g.Needs = append(g.Needs, hodei.Need{Job: key})
	}
	if len(f.conditions.Pairs) > 0 {
		one := hodei.Condition{}
		for key, globs := range f.conditions.Pairs {
			one[key] = scalars(globs)
		}
		g.If = hodei.Conditions{one}
	}
	if len(f.axes.Pairs) > 0 {
		g.Matrix = &hodei.Matrix{Values: map[string][]hodei.Scalar{}}
		for axis, values := range f.axes.Pairs {
			g.Matrix.Values[axis] = scalars(values)
		}
	}
	if f.approval != "" {
		g.Approval = &hodei.Gate{Message: f.approval}
	}
	return g
}

func scalars(list string) (out []hodei.Scalar) {
	for one := range strings.SplitSeq(list, ",") {
		out = append(out, hodei.Scalar(one))
	}
	return out
}

// update sets what the flags change. An empty value clears.
func (f *graphFlags) update(to *schemas.PlaceUpdate, changed func(string) bool) {
	g, s := f.graph(), f.setup()
	change(&to.Key, changed("key"), g.Key, g.Key == "")
	change(&to.Needs, changed("needs"), g.Needs, len(g.Needs) == 0)
	change(&to.When, changed("when"), g.When, g.When == "")
	change(&to.If, changed("if"), g.If, len(g.If) == 0)
	if changed("matrix") {
		to.Matrix = schemas.Patch[hodei.Matrix]{Set: true, Value: g.Matrix}
	}
	change(&to.AllowFailure, changed("allow-failure"), g.AllowFailure, g.AllowFailure.IsZero())
	change(&to.Finally, changed("finally"), g.Finally, false)
	if changed("approval") {
		to.Approval = schemas.Patch[hodei.Gate]{Set: true, Value: g.Approval}
	}
	change(&to.Shell, changed("shell"), s.Shell, s.Shell.IsZero())
	change(&to.After, changed("after"), s.After, s.After == "")
}

func change[T any](to *schemas.Patch[T], changed bool, value T, cleared bool) {
	if !changed {
		return
	}
	if to.Set = true; !cleared {
		to.Value = &value
	}
}

// graphFields show the place of a job that has one.
func graphFields(g hodei.Graph) (fields []render.Field) {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, render.Field{name, render.Clip(value, 500)})
		}
	}
	add("Key", g.Key)
	var needs []string
	for _, need := range g.Needs {
		needs = append(needs, need.Job)
	}
	add("Needs", strings.Join(needs, ", "))
	add("When", string(g.When))
	if len(g.If) > 0 {
		text, _ := hodei.JSON(g.If) // it was read from JSON
		add("If", string(text))
	}
	if g.Matrix != nil {
		axes := slices.Sorted(maps.Keys(g.Matrix.Values))
		add("Matrix", strings.Join(axes, ", ")+g.Matrix.From)
	}
	if g.AllowFailure.Any || len(g.AllowFailure.ExitCodes) > 0 {
		add("Allowed to fail", "yes")
	}
	if g.Finally {
		add("Finally", "yes")
	}
	if g.Approval != nil {
		add("Approval", "required")
	}
	return fields
}
