package definition_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
)

// again writes the definition in both formats and reads it back: the result is the
// same, and is written in the same way.
func again(t require.TestingT, def hodei.Definition) {
	json := definition.ToJSON(def)
	yaml, err := definition.FromJSON(json)
	require.NoError(t, err)
	for format, text := range map[definition.Format][]byte{definition.YAML: yaml, definition.JSON: json} {
		got, problems := definition.Parse(text, format)
		require.Empty(t, definition.Errors(problems), "%s", text)
		require.Empty(t, definition.Compare(def, got), "%s", text)
		same, err := definition.FromJSON(definition.ToJSON(got))
		require.NoError(t, err)
		require.Equal(t, string(yaml), string(same))
		want := def
		want.Defaults, got.Defaults = nil, nil
		wanted, err := hodei.JSON(want)
		require.NoError(t, err)
		have, err := hodei.JSON(got)
		require.NoError(t, err)
		require.Equal(t, string(wanted), string(have), "%s", text)
	}
}

func TestWhatWasReadIsWrittenAndReadAgain(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"testdata/grammar.yaml"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		again(t, parse(t, string(text)))
	}
}

func TestJobsAreComparedByTheirKeys(t *testing.T) {
	t.Parallel()
	from := parse(t, "slug: x\ntimeout: 1h\njobs: {a: {command: x}, b: {command: x, env: {A: a, B: b}}}\n")
	to := parse(t, "slug: x\ntimeout: 2h\njobs: {b: {command: y, env: {A: a, C: c}}, c: {command: x}}\nfinally: {z: {command: x}}\n")
	var got []string
	for _, c := range definition.Compare(from, to) {
		got = append(got, c.Action+" "+c.Field+" "+string(c.From)+" "+string(c.To))
	}
	assert.Equal(t, []string{
		`changed timeout "1h" "2h"`, `changed jobs.b.command "x" "y"`, `created jobs.b.env.C  "c"`, `deleted jobs.b.env.B "b" `,
		`created jobs.c  {"command":"x"}`, `deleted jobs.a {"command":"x"} `, `created finally.z  {"command":"x"}`,
	}, got)
	assert.Equal(t, "z", definition.JobKey("finally.z"))
	assert.Empty(t, definition.JobKey("env.A"))
}

// fields are valid fields of a job, of which a test chooses some.
var fields = []string{
	"name: a name", "description: |\n  two\n  lines", "needs: [first]", "needs: [{job: first, artifacts: false}]",
	"when: always", "when: success", "if: {params.p: x}", "if: [{params.p: [x, '!y']}, {run.branch: 'v*'}]", "if: [{changes: ['**/*.go']}]",
	"matrix: {values: {os: [a, b], go: [1.30]}, max_parallel: 2, fail_fast: true}", "matrix: {include: [{a: 1}]}", "matrix: {from: needs.first.outputs.x}\nneeds: [first]",
	"allow_failure: true", "allow_failure: false", "allow_failure: {exit_codes: [1, 2]}", "approval: {}", "approval: {message: ok?, timeout: 36h}",
	"type: go", "type: null", "requirements: {type: go, capacity: 3}", "requirements: {labels: {a: b}}", "requirements: null", "priority: 0", "priority: 9", "priority: 5",
	"timeout: 90m", "timeout: 0.25s", "timeout: null", "retries: {max: 0}", "retries: {max: 3, backoff: 10s, on: [FAILED, 'exit:3']}", "retries: null",
	"env: {A: a}", "env: {A: null}", "env: {A: '', B: '1.30', C: 1.30, D: ' x '}", "env: {}", "working_dir: /tmp", "log_limit: 3MiB", "log_limit: 1000",
	"shell: bash", "shell: [python3, -c]", "shell: null", "after: ./x", "checkout: false", "checkout: true",
	"artifacts: [{name: x, paths: ['**'], when: always, keep: 7d, if_none: error}]", "caches: [{key: k, paths: [p], restore: [r]}]",
	"secrets: [A_SECRET, {name: b, as: B_SECRET, as_file: true}]", "container: {image: x, pull: always}\nservices: {db: {image: y, env: {Q: r}, ready: 'true'}}",
	"limits: {memory: 1GiB, cpu: 1.5, pids: 100, required: true}", "run_as: nobody",
}

// own are fields that defaults cannot have.
var own = []string{"needs", "when", "if", "matrix", "approval", "name", "description"}

func chosen(t *rapid.T, label string, allowed func(name string) bool) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, text := range rapid.SliceOfN(rapid.SampledFrom(fields), 0, 8).Draw(t, label) {
		for part := range strings.SplitSeq(text, "\n") {
			name, _, isField := strings.Cut(part, ":")
			if strings.HasPrefix(part, " ") || !isField || name == "needs" && part != "needs: [first]" {
				continue
			}
			if name == "description" {
				part += "\n      two\n      lines"
			}
			if !seen[name] && allowed(name) {
				b.WriteString("    " + part + "\n")
			}
			seen[name] = true
		}
	}
	return b.String()
}

func document(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("slug: x\nparams: {p: {}}\n")
	if rapid.Bool().Draw(t, "with defaults") {
		b.WriteString("defaults:\n    priority: 3\n" + chosen(t, "defaults", func(name string) bool {
			return !slices.Contains(own, name) && name != "priority"
		}))
	}
	b.WriteString("jobs:\n  first: {command: x}\n")
	for _, key := range []string{"b", "a", "c"} {
		b.WriteString("  " + key + ":\n")
		if rapid.Bool().Draw(t, "list") {
			b.WriteString("    command: [x, y z]\n" + chosen(t, key, func(name string) bool { return name != "shell" }))
		} else {
			b.WriteString("    command: |\n      one\n      two\n" + chosen(t, key, func(string) bool { return true }))
		}
	}
	b.WriteString("finally:\n  last:\n    command: x\n" + chosen(t, "last", func(string) bool { return true }))
	return b.String()
}

func TestEveryDefinitionIsWrittenAndReadAgain(t *testing.T) {
	t.Parallel()
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		text := document(t)
		def, problems := definition.Parse([]byte(text), definition.YAML)
		if len(definition.Errors(problems)) > 0 {
			return // two fields that do not go together
		}
		valid++
		again(t, def)
	})
	assert.Greater(t, valid, 10)
}

func TestEveryTextIsWrittenAndReadAgain(t *testing.T) {
	t.Parallel()
	def := parse(t, "slug: x\nparams: {p: {default: x}}\njobs: {a: {command: x}}\n")
	text := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ \t\n\r#:!&*?|>%@'"{}\[\],a-z0-9.~-]{1,20}`),
		rapid.SampledFrom([]string{"null", "~", "true", "no", "1.30", "1e3", "0x1F", "2026-01-02", "<<", "=", "- a", " a", "a ", "a\n", "\na", "a\n\n", "  a\nb", "a\r\nb", "\u2028", "\ufeff", "a: b", "é"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		clean := func(label string) string {
			return strings.ReplaceAll(strings.ToValidUTF8(text.Draw(t, label), "?"), "\x00", "")
		}
		d := def
		value := hodei.Scalar(clean("param"))
		d.Params = []hodei.Param{{Name: "p", Default: &value}}
		job := def.Jobs[0]
		job.Command.Shell = "x" + clean("command")
		job.Environment = map[string]string{"A": clean("env")}
		job.After = clean("after")
		job.Requirements.Labels = map[string]string{"k" + clean("label"): clean("value")}
		d.Jobs = []hodei.JobDefinition{job}
		if strings.Contains(job.Command.Shell+job.After+job.Environment["A"], "${{") {
			return
		}
		again(t, d)
	})
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/grammar.yaml")
	require.NoError(f, err)
	f.Add(text, false)
	f.Add([]byte(`{"slug":"x","jobs":{"a":{"command":["x"],"env":{"A":1.30}}}}`), true)
	f.Add([]byte("slug: x\nx-a: &a {env: {A: b}}\ndefaults: {<<: *a, shell: bash}\njobs: {a: {<<: *a, command: x, env: {A: null}}}\n"), false)
	f.Add([]byte("slug: x\njobs: {a: {command: ! x, if: {run.branch: !y}, matrix: {values: {a: [*b]}}}}\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, json bool) {
		format := definition.YAML
		if json {
			format = definition.JSON
		}
		def, problems := definition.Parse(text, format)
		if len(definition.Errors(problems)) == 0 {
			again(t, def)
		}
	})
}
