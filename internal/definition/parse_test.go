package definition_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
)

// parse reads a document that must be valid.
func parse(t *testing.T, text string) hodei.Definition {
	t.Helper()
	def, problems := definition.Parse([]byte(text), definition.YAML)
	require.Empty(t, definition.Errors(problems), text)
	return def
}

// issues are the problems of a document, each as line:column: field: issue, with "~" in
// front of a warning.
func issues(text string, format definition.Format) (out []string) {
	_, problems := definition.Parse([]byte(text), format)
	for _, p := range problems {
		if p.Unsupported {
			continue
		}
		mark := ""
		if p.Warning {
			mark = "~"
		}
		out = append(out, mark+p.String())
	}
	return out
}

// one is a valid document around the fields of one job.
func one(fields string) string {
	return "slug: x\njobs:\n  a: {command: x}\n  b:\n    command: y\n    " + strings.ReplaceAll(fields, "\n", "\n    ") + "\n"
}

// fromGit is the rest of a definition that has a source.
const fromGit = "source: {git: \"https://x/y\"}\njobs: {a: {command: x}}\n"

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string // the start of each line
	}{
		"an unknown field of the pipeline": {
			"slug: x\nnmae: y\njobs: {a: {command: x}}\n", []string{`2:1: nmae: unknown field; did you mean "name"?`}},
		"an unknown field of a job, by a word of another system": {
			one("script: make"), []string{`6:5: jobs.b.script: unknown field; did you mean "command"?`}},
		"an unknown field of a nested value": {
			one("retries: {max: 1, limits: 2}"), []string{`6:23: jobs.b.retries.limits: unknown field`}},
		"an unknown need": {
			one("needs: [a, aa1]\nname: x"), []string{`6:16: jobs.b.needs[1]: no job "aa1"`}},
		"an unknown need that is nearly a key": {
			"slug: x\njobs:\n  build: {command: x}\n  test: {command: x, needs: [biuld]}\n",
			[]string{`4:30: jobs.test.needs[0]: no job "biuld"; did you mean "build"?`}},
		"a need of itself":     {one("needs: [b]"), []string{`6:13: jobs.b.needs[0]: the job needs itself`}},
		"a need given twice":   {one("needs: [a, {job: a, artifacts: false}]"), []string{`6:16: jobs.b.needs[1]: "a" is given twice`}},
		"a need of finally":    {one("needs: [z]") + "finally: {z: {command: x}}\n", []string{`6:13: jobs.b.needs[0]: "z" is in finally`}},
		"needs that is a text": {one("needs: a"), []string{`6:12: jobs.b.needs: a list is required, not the text "a": write [a]`}},
		"a cycle": {
			"slug: x\njobs:\n  a: {command: x, needs: [c]}\n  b: {command: x, needs: [a]}\n  c: {command: x, needs: [b]}\n",
			[]string{`4:27: jobs.b.needs[0]: a cycle: a → c → b → a`}},
		"a duplicate key":                    {one("name: x\nname: y"), []string{`7:5: jobs.b.name: given twice`}},
		"a duplicate job":                    {"slug: x\njobs:\n  a: {command: x}\n  a: {command: y}\n", []string{`4:3: jobs.a: given twice`}},
		"a key in jobs and in finally":       {"slug: x\njobs: {a: {command: x}}\nfinally: {a: {command: y}}\n", []string{`3:11: finally.a: the key is taken`}},
		"a key with a dot":                   {"slug: x\njobs: {a.b: {command: x}}\n", []string{`2:8: jobs.a.b: "a.b" is no key`}},
		"a reference in a command":           {one("env: {X: y}") + "  c: {command: 'echo ${{ params.x }}'}\n", []string{`7:16: jobs.c.command: ${{ }} is not allowed here`}},
		"a reference in a command list":      {"slug: x\njobs: {a: {command: [echo, '${{ run.ref }}']}}\n", []string{`2:21: jobs.a.command: ${{ }} is not allowed here`}},
		"a reference in after":               {one("after: echo ${{ run.ref }}"), []string{`6:12: jobs.b.after: ${{ }} is not allowed here`}},
		"an unknown param":                   {one("env: {X: '${{ params.nope }}'}"), []string{`6:14: jobs.b.env.X: ${{ params.nope }}: no param "nope"`}},
		"an unknown field of the run":        {one("name: on ${{ run.brunch }}"), []string{`6:11: jobs.b.name: ${{ run.brunch }}: no run.brunch; did you mean "branch"?`}},
		"an unknown axis":                    {one("matrix: {values: {os: [a]}}\nenv: {X: '${{ matrix.arch }}'}"), []string{`7:14: jobs.b.env.X: ${{ matrix.arch }}: no axis "arch"`}},
		"a matrix reference without one":     {one("env: {X: '${{ matrix.os }}'}"), []string{`6:14: jobs.b.env.X: ${{ matrix.os }}: the job has no matrix`}},
		"an output of a job not in needs":    {one("env: {X: '${{ needs.a.outputs.v }}'}"), []string{`6:14: jobs.b.env.X: ${{ needs.a.outputs.v }}: "a" is not in the needs`}},
		"an output in a name":                {"slug: x\njobs: {a: {command: x}, b: {needs: [a], name: '${{ needs.a.outputs.v }}', command: x}}\n", []string{`2:47: jobs.b.name: ${{ needs.a.outputs.v }}: a job has its name before`}},
		"an output outside of jobs":          {"slug: x\nenv: {X: '${{ needs.a.outputs.v }}'}\njobs: {a: {command: x}}\n", []string{`2:10: env.X: ${{ needs.a.outputs.v }}: outputs are known`}},
		"an output of all legs":              {"slug: x\njobs:\n  a: {command: x, matrix: {values: {n: [1]}}}\n  b: {command: x, needs: [a], env: {X: '${{ needs.a.outputs.v }}'}}\n", []string{`4:40: jobs.b.env.X: ${{ needs.a.outputs.v }}: "a" has a matrix: name one leg`}},
		"a reference that is no reference":   {one("env: {X: '${{ secrets.A }}'}"), []string{`6:14: jobs.b.env.X: ${{ secrets.A }}: params.NAME`}},
		"a reference that does not end":      {one("env: {X: '${{ params.x'}"), []string{`6:14: jobs.b.env.X: ${{ has no }}`}},
		"file_hash outside of a cache":       {one(`env: {X: "${{ file_hash('a') }}"}`), []string{`6:14: jobs.b.env.X: ${{ file_hash('a') }}: file_hash is allowed in the keys of caches only`}},
		"file_hash without quotes":           {one("caches: [{key: '${{ file_hash(a) }}', paths: [p]}]"), []string{`6:20: jobs.b.caches[0].key: ${{ file_hash(a) }}: file_hash('go.sum') is required`}},
		"a glob in file_hash that is none":   {one(`caches: [{key: "${{ file_hash('a[') }}", paths: [p]}]`), []string{`6:20: jobs.b.caches[0].key: ${{ file_hash('a[') }}: "a[" is no glob`}},
		"file_hash outside of the tree":      {one(`caches: [{key: k, restore: ["${{ file_hash('../x') }}"], paths: [p]}]`), []string{`6:33: jobs.b.caches[0].restore[0]: ${{ file_hash('../x') }}: a path below the working directory is required`}},
		"a cache outside of the home":        {one("caches: [{key: k, paths: [~/../x]}]"), []string{`6:31: jobs.b.caches[0].paths[0]: a path below the working directory is required, not "../x"`}},
		"a cache of the home of another":     {one("caches: [{key: k, paths: ['!~root/x']}]"), []string{`6:31: jobs.b.caches[0].paths[0]: "!~root/x": only ~/ means the home directory; write ./~root/x`}},
		"a cache of all of the home":         {one("caches: [{key: k, paths: [~/]}]"), []string{`6:31: jobs.b.caches[0].paths[0]: a path below`}},
		"a tag in front of a command":        {"slug: x\njobs: {a: {command: ! x}}\n", []string{`2:21: jobs.a.command: "!" is a YAML tag, not text: put quotes`}},
		"a tag in place of a negated glob":   {one("if: {run.branch: !main}"), []string{`6:22: jobs.b.if.run.branch: "!main" is a YAML tag`}},
		"a binary":                           {one("name: !!binary eA=="), []string{`6:11: jobs.b.name: "!!binary" is a YAML tag`}},
		"a comma in a flow mapping":          {"slug: x\njobs: {a: {command: go test, -v}}\n", []string{`2:30: jobs.a.-v: has no value: in { } a comma starts a new field`}},
		"a number in place of a text list":   {one("secrets: 1"), []string{`6:14: jobs.b.secrets: a list is required, not the number 1: write [1]`}},
		"a text in place of a number":        {one("priority: high"), []string{`6:15: jobs.b.priority: a number is required, not the text "high"`}},
		"a number out of range":              {one("priority: 11"), []string{`6:15: jobs.b.priority: at most 10 is allowed`}},
		"a fraction in place of a number":    {one("priority: 1.5"), []string{`6:15: jobs.b.priority: a whole number is required`}},
		"yes in place of true":               {one("allow_failure: yes"), []string{`6:20: jobs.b.allow_failure: true or false is required, not the text "yes": write true`}},
		"a mapping in place of a text":       {one("name: {a: b}"), []string{`6:11: jobs.b.name: a text is required, not a mapping`}},
		"a list in place of a mapping":       {"slug: x\njobs: [a]\n", []string{`2:7: jobs: a mapping of jobs by their keys is required, not a list`}},
		"a duration without a unit":          {one("timeout: 60"), []string{`6:14: jobs.b.timeout: a duration such as 90s, 5m, 1h or 7d is required: write 60s`}},
		"a duration that is too long":        {one("timeout: 400d"), []string{`6:14: jobs.b.timeout: at most 365d is allowed`}},
		"a duration of nothing":              {one("timeout: 0s"), []string{`6:14: jobs.b.timeout: more than 0s is required`}},
		"a size that is none":                {one("limits: {memory: lots}"), []string{`6:22: jobs.b.limits.memory: a size such as 512MiB`}},
		"a word that is not one of some":     {one("when: sometimes"), []string{`6:11: jobs.b.when: "sometimes" is not one of success, failure, always`}},
		"a required field that is missing":   {one("retries: {backoff: 10s}"), []string{`6:14: jobs.b.retries.max: required`}},
		"a pipeline without a slug":          {"jobs: {a: {command: x}}\n", []string{`1:1: slug: required`}},
		"a pipeline without jobs":            {"slug: x\n", []string{`1:1: jobs: required`}},
		"a slug in capitals":                 {"slug: X\njobs: {a: {command: x}}\n", []string{`1:7: slug: "X" does not match`}},
		"a command and a pipeline":           {one("pipeline: {slug: y}"), []string{`4:3: jobs.b: command and pipeline: a job has one of them`}},
		"a pipeline that starts itself":      {"slug: x\njobs: {a: {pipeline: {slug: x}}}\n", []string{`2:29: jobs.a.pipeline.slug: a pipeline cannot start itself`}},
		"a pipeline with an environment":     {"slug: x\njobs: {a: {pipeline: {slug: y}, env: {A: b}}}\n", []string{`2:38: jobs.a.env: a job that starts a pipeline has no env`}},
		"a shell for a list":                 {"slug: x\njobs: {a: {command: [x], shell: sh}}\n", []string{`2:33: jobs.a.shell: a command that is a list runs without a shell`}},
		"types that differ":                  {one("type: rust\nrequirements: {type: go}"), []string{`7:26: jobs.b.requirements.type: contradicts type`}},
		"services without a container":       {one("services: {db: {image: x}}"), []string{`6:15: jobs.b.services: services need a container`}},
		"an artifact outside of the tree":    {one("artifacts: [{name: x, paths: [../y]}]"), []string{`6:35: jobs.b.artifacts[0].paths[0]: a path below the working directory`}},
		"a working directory in the tree":    {one("working_dir: sub"), []string{`6:18: jobs.b.working_dir: an absolute path`}},
		"a retry on an unknown end":          {one("retries: {max: 1, on: [WORKER_LOSS]}"), []string{`6:28: jobs.b.retries.on[0]: "WORKER_LOSS" is no end: a state, a reason, exit:N or signal:NAME is required; did you mean "WORKER_LOST"?`}},
		"a retry on a cancel":                {one("retries: {max: 1, on: [CANCELLED]}"), []string{`6:28: jobs.b.retries.on[0]: a cancelled execution is never retried`}},
		"a retry on an exit code of zero":    {one("retries: {max: 1, on: ['exit:0']}"), []string{`6:28: jobs.b.retries.on[0]: exit: and a code from 1 to 255`}},
		"a retry on half a signal":           {one("retries: {max: 1, on: ['signal:KILL']}"), []string{`6:28: jobs.b.retries.on[0]: signal: and a name such as SIGKILL`}},
		"a condition on an unknown value":    {one("if: {env.X: y}"), []string{`6:17: jobs.b.if.env.X: params.NAME, matrix.AXIS`}},
		"a condition on another run field":   {one("if: [{run.branch: x}, {run.commit: y}]"), []string{`6:40: jobs.b.if[1].run.commit: no run.commit`}},
		"a condition on an unknown trigger":  {one("if: {run.trigger: [pul_request]}"), []string{`6:23: jobs.b.if.run.trigger: "pul_request" is no trigger`}},
		"an expression as a condition":       {one("if: params.x == 1"), []string{`6:9: jobs.b.if: a mapping such as { params.x: 1 } is required, not the text "params.x == 1"`}},
		"an empty condition":                 {one("if: {}"), []string{`6:9: jobs.b.if: must not be empty`}},
		"an unknown reference in a ref":      {"slug: x\njobs: {a: {pipeline: {slug: y, ref: '${{ run.refs }}'}}}\n", []string{`2:37: jobs.a.pipeline.ref: ${{ run.refs }}: no run.refs; did you mean`}},
		"no reference in a glob":             {one("if: {run.branch: 'x${{ run.tag }}'}"), []string{`6:22: jobs.b.if.run.branch: ${{ }} is not allowed here`}},
		"a variable of a param":              {"slug: x\nparams: {a-b: {}}\nenv: {PARAM_A_B: x}\njobs: {a: {command: x}}\n", []string{`3:18: env.PARAM_A_B: the param "a-b" is in the environment`}},
		"a secret of a param":                {"slug: x\nparams: {a: {}}\njobs: {a: {command: x, secrets: [{name: s, as: PARAM_A}]}}\n", []string{`3:34: jobs.a.secrets[0]: the param "a" is in the environment as PARAM_A`}},
		"a variable of Hodei":                {one("env: {HODEI_BRANCH: x}"), []string{`6:25: jobs.b.env.HODEI_BRANCH: Hodei sets this variable`}},
		"a secret as a variable of Hodei":    {one("secrets: [{name: s, as: HODEI_OUTPUT}]"), []string{`6:15: jobs.b.secrets[0]: Hodei sets this variable`}},
		"a variable of an axis":              {one("matrix: {values: {os: [a]}}\nenv: {MATRIX_OS: x}"), []string{`7:22: jobs.b.env.MATRIX_OS: the axis "os" is in the environment`}},
		"a secret of a variable":             {one("env: {S: x}\nsecrets: [S]"), []string{`7:15: jobs.b.secrets[0]: a variable of env is in the environment as S`}},
		"two params of one variable":         {"slug: x\nparams: {a-b: {}, a_b: {}}\njobs: {a: {command: x}}\n", []string{`2:19: params.a_b: both "a-b" and "a_b" are PARAM_A_B`}},
		"two axes of one variable":           {one("matrix: {values: {a-b: [x], a_b: [y]}}"), []string{`6:13: jobs.b.matrix: both the axis "a-b" and the axis "a_b" are MATRIX_A_B`}},
		"a name of a variable":               {one("env: {1X: y}"), []string{`6:15: jobs.b.env.1X: "1X" is no name of a variable`}},
		"a default outside of the enum":      {"slug: x\nparams: {a: {enum: [x, y], default: z}}\njobs: {a: {command: x}}\n", []string{`2:37: params.a.default: "z" is not one of x, y`}},
		"a default of another type":          {"slug: x\nparams: {a: {type: number, default: z}}\njobs: {a: {command: x}}\n", []string{`2:37: params.a.default: a number is required, not "z"`}},
		"a required param with a default":    {"slug: x\nparams: {a: {required: true, default: z}}\njobs: {a: {command: x}}\n", []string{`2:24: params.a.required: a required param has no default`}},
		"a matrix of more than 256 legs":     {one("matrix: {values: {a: [" + numbers(17) + "], b: [" + numbers(16) + "]}}"), []string{`6:13: jobs.b.matrix: 272 legs; at most 256 are allowed`}},
		"a matrix of a thousand million":     {one("matrix: {values: {a: [" + numbers(1000) + "], b: [" + numbers(1000) + "], c: [" + numbers(1000) + "]}}"), []string{`6:13: jobs.b.matrix: 1048576 legs; at most 256`}},
		"a matrix without values":            {one("matrix: {max_parallel: 2}"), []string{`6:13: jobs.b.matrix: values, include or from is required`}},
		"a matrix with nothing left":         {one("matrix: {values: {a: [x]}, exclude: [{a: x}]}"), []string{`6:13: jobs.b.matrix: exclude leaves no leg`}},
		"an exclude of an unknown axis":      {one("matrix: {values: {arch: [x]}, exclude: [{arhc: x}]}"), []string{`6:52: jobs.b.matrix.exclude[0].arhc: no axis "arhc"; did you mean "arch"?`}},
		"an exclude of an unknown value":     {one("matrix: {values: {a: [x, z]}, exclude: [{a: y}]}"), []string{`6:49: jobs.b.matrix.exclude[0].a: the axis "a" has no value "y"`}},
		"a leg of a matrix too long":         {one("matrix: {include: [{a: " + strings.Repeat("x", 1022) + "}]}"), []string{`6:13: jobs.b.matrix: a leg of 1026 bytes; at most 1024 are allowed`}},
		"an include of half a leg":           {one("matrix: {values: {a: [x], b: [y]}, include: [{a: z}]}"), []string{`6:50: jobs.b.matrix.include[0]: "b" is missing`}},
		"a matrix from an unknown output":    {one("matrix: {from: needs.a.outputs.list}"), []string{`6:20: jobs.b.matrix.from: "a" is not in the needs`}},
		"a matrix from no output":            {one("matrix: {from: params.x}"), []string{`6:20: jobs.b.matrix.from: needs.JOB.outputs.NAME is required`}},
		"a matrix from two places":           {one("needs: [a]\nmatrix: {from: needs.a.outputs.x, values: {a: [x]}}"), []string{`7:13: jobs.b.matrix: from replaces values`}},
		"a default that a job has to give":   {"slug: x\ndefaults: {needs: [a]}\njobs: {a: {command: x}}\n", []string{`2:12: defaults.needs: cannot be a default`}},
		"a variable without a value":         {one("env:\n  A:"), []string{`7:7: jobs.b.env.A: null removes a variable of the defaults, and they have none`}},
		"a variable of null in the pipeline": {"slug: x\nenv: {A: null}\njobs: {a: {command: x}}\n", []string{`2:7: env.A: has no value; write "" for an empty one`}},
		"a schedule with two times":          {"slug: x\nschedules: [{cron: '@daily', every: 1h}]\njobs: {a: {command: x}}\n", []string{`2:20: schedules[0].cron: exactly one of cron, every and at`}},
		"a zone that does not exist":         {"slug: x\nschedules: [{cron: '@daily', timezone: Europe/Madrit}]\njobs: {a: {command: x}}\n", []string{`2:40: schedules[0].timezone: "Europe/Madrit" is not the IANA name of a time zone`}},
		"a cron that never fires":            {"slug: x\nschedules: [{cron: '0 0 31 2 *'}]\njobs: {a: {command: x}}\n", []string{`2:20: schedules[0].cron: no month has such a day`}},
		"a cron of six fields":               {"slug: x\nschedules: [{cron: '0 0 0 * * *'}]\njobs: {a: {command: x}}\n", []string{`2:20: schedules[0].cron: five fields are required`}},
		"a schedule with an unknown param":   {"slug: x\nschedules: [{cron: '@daily', params: {a: b}}]\njobs: {a: {command: x}}\n", []string{`2:42: schedules[0].params.a: no param "a"`}},
		"a notification to two places":       {"slug: x\nnotify: [{webhook: x, slack: y}]\njobs: {a: {command: x}}\n", []string{`2:10: notify[0]: exactly one of webhook`}},
		"an address that is none":            {"slug: x\nnotify: [{webhook: \"ftp://x\"}]\njobs: {a: {command: x}}\n", []string{`2:20: notify[0].webhook: an address such as https`}},
		"an address with a password":         {"slug: x\nnotify: [{slack: \"https://u:p@x\"}]\njobs: {a: {command: x}}\n", []string{`2:18: notify[0].slack: an address with a user`}},
		"a mailbox that is none":             {"slug: x\nnotify: [{email: [nobody]}]\njobs: {a: {command: x}}\n", []string{`2:19: notify[0].email[0]: an address such as team@example.com`}},
		"a commit status of no repository":   {"slug: x\nnotify: [{commit_status: github, secret: S}]\njobs: {a: {command: x}}\n", []string{`2:10: notify[0]: commit_status needs a repository`}},
		"a repository without an owner":      {"slug: x\nnotify: [{commit_status: gitea, secret: S, repository: \"https://git.example.com/x\"}]\njobs: {a: {command: x}}\n", []string{`2:56: notify[0].repository: the address of a repository`}},
		"a repository of a webhook":          {"slug: x\nnotify: [{webhook: \"https://x.y\", repository: \"https://x.y/o/n\"}]\njobs: {a: {command: x}}\n", []string{`2:47: notify[0].repository: only a commit_status`}},
		"a secret that nothing uses":         {"slug: x\nnotify: [{email: [a@b.c], secret: S}]\njobs: {a: {command: x}}\n", []string{`2:35: notify[0].secret: only a webhook`}},
		"a definition in no repository":      {"slug: x\nschedules: [{cron: '@daily', definition: repository}]\njobs: {a: {command: x}}\n", []string{`2:42: schedules[0].definition: repository: the pipeline has no source`}},
		"a hook without a repository":        {"slug: x\nhooks: [{kind: gitea, secret: S, branches: [main], definition: repository}]\njobs: {a: {command: x}}\n", []string{`2:64: hooks[0].definition: repository: the pipeline has no source`}},
		"a hook of a generic repository":     {"slug: x\nhooks: [{kind: generic, secret: S, definition: repository}]\n" + fromGit, []string{`2:48: hooks[0].definition: repository: the sender of a generic hook names no pushed commit`}},
		"a hook that trusts all branches":    {"slug: x\nhooks: [{kind: gitea, secret: S, tags: [v1], definition: repository}]\n" + fromGit, []string{`2:9: hooks[0].branches: required with definition: repository`}},
		"a hook of pull requests":            {"slug: x\nhooks: [{kind: gitea, secret: S, events: [pull_request], definition: repository}]\n" + fromGit, []string{`2:70: hooks[0].definition: repository: pull requests use the definition that was applied`}},
		"~ a hook that trusts tags":          {"slug: x\nhooks: [{kind: gitea, secret: S, events: [tag], tags: [v1], definition: repository}]\n" + fromGit, []string{}},
		"a file outside of the repository":   {"slug: x\nsource: {git: \"https://x/y\", definition: ../x.yaml}\njobs: {a: {command: x}}\n", []string{`2:42: source.definition: a path below the working directory`}},
		"~ a glob of a condition":            {one("if: {changes: ['src/**', '**/*.{js,ts}']}"), []string{`~6:30: jobs.b.if.changes[1]: "**/*.{js,ts}": [ ] and { } stand for themselves`}},
		"~ a glob of a hook":                 {"slug: x\nhooks: [{kind: gitea, secret: S, branches: ['v[0-9]*']}]\njobs: {a: {command: x}}\n", []string{`~2:45: hooks[0].branches[0]: "v[0-9]*": [ ] and { } stand for themselves`}},
		"~ a list with a space":              {"slug: x\njobs: {a: {command: [mytool, run all]}}\n", []string{`~2:30: jobs.a.command[1]: "run all" has a space and is one argument`}},
		"~ a list that is a script":          {"slug: x\njobs: {a: {command: [go test ./...]}}\n", []string{`~2:22: jobs.a.command[0]: "go test ./..." is the name of one program`}},
		"~ a variable in a variable":         {one("env: {PATH: '$HOME/bin:$PATH'}"), []string{`~6:17: jobs.b.env.PATH: the value is literal`}},
		"~ a job without a command":          {"slug: x\njobs: {a: }\n", nil},
		"~ a failure of nothing":             {one("when: failure"), []string{`~6:11: jobs.b.when: a job without needs`}},
		"~ a param that cannot be":           {"slug: x\nparams: {e: {enum: [a, b]}}\njobs: {a: {command: x, if: {params.e: c}}}\n", []string{`~3:39: jobs.a.if.params.e: the param never has this value`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := issues(c.text, definition.YAML)
			if c.want == nil {
				require.NotEmpty(t, got)
				return
			}
			require.Len(t, got, len(c.want), strings.Join(got, "\n"))
			for i, want := range c.want {
				assert.Truef(t, strings.HasPrefix(got[i], want), "want %s\ngot  %s", want, got[i])
			}
		})
	}
}

// TestGrant: a definition uses no secret and starts no pipeline beyond its grant.
func TestGrant(t *testing.T) {
	t.Parallel()
	const text = `
jobs:
  a: { command: x, secrets: [A, { name: B, as: A2 }] }
  b: { pipeline: { slug: one } }
  c: { pipeline: { slug: two } }
finally: { d: { command: x, secrets: [C] } }
`
	g := hodei.Grant{Slug: "x", Secrets: []string{"A"}, Pipelines: []string{"one"}}
	_, problems := definition.ParseFor(g.Slug, []byte(text), definition.YAML, func(def hodei.Definition) []hodei.Problem { return definition.CheckGrant(def, g) })
	want := []string{
		`3:33: jobs.a.secrets[1]: no job of the applied definition receives the secret "B": apply the file first`,
		`5:26: jobs.c.pipeline.slug: no job of the applied definition starts the pipeline "two": apply the file first`,
		`6:39: finally.d.secrets[0]: no job of the applied definition receives the secret "C": apply the file first`,
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	require.Equal(t, want, got)
}

func numbers(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, ", ")
}

func TestWhatIsNoYAML(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the document is empty",
		"# only\n":                        "the document is empty",
		"- a\n":                           "1:1: a mapping is required, not a list",
		"slug: x\n---\nslug: y\n":         "one document is expected",
		"slug: x\njobs:\n\ta: x\n":        "3:1: the YAML cannot be read: a tab cannot indent: use spaces",
		"slug: @x\n":                      "1:7: the YAML cannot be read: a text without quotes cannot start with '@'",
		"slug: a: b\n":                    `1:8: the YAML cannot be read: ": " is not allowed here`,
		"slug: *x\n":                      "1:7: the YAML cannot be read: unknown anchor 'x' referenced",
		"slug: [a\nb: c\n":                "2:2: the YAML cannot be read: did not find expected ',' or ']'",
		"slug: \"x\n":                     "the YAML cannot be read: found unexpected end of stream",
		"slug: x\nname: \xff\n":           "2:7: the text is not UTF-8",
		"slug: x\nname: \x01\n":           "2:7: the YAML cannot be read: control characters are not allowed",
		"slug: x\nname: \"a\\0b\"\n":      "2:7: name: must not contain the NUL character",
		"slug: x\n? [a]\n: b\n":           "2:3: a key must be a text",
		"slug: x\nx-a: &a [*a]\n":         "2:10: x-a[0]: the alias *a contains itself",
		"slug: x\n<<: 1\n":                "2:5: <<: an alias of a mapping",
		strings.Repeat("# long\n", 2e5):   "the document has 1400000 bytes; at most 1024 KiB are allowed",
		"x-a: " + strings.Repeat("[", 99): "did not find expected",
		"slug: x\nx-a: " + strings.Repeat("[", 99) + strings.Repeat("]", 99): "nested more than 64 deep",
	} {
		got := strings.Join(issues(text, definition.YAML), "\n")
		assert.Contains(t, got, want, "%.60q", text)
	}
}

func TestWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                     "1:1: the JSON cannot be read: it ends too early",
		"{\"slug\": \"x\",\n}":                 "2:1: the JSON cannot be read",
		"{\"slug\": \"x\"} {}":                 "something follows the end of the document",
		"{\"slug\": \"x\", \"slug\": \"y\"}":   "1:15: slug: given twice",
		"{\"slug\": \"x\",\n  \"nam\": \"y\"}": `2:3: nam: unknown field; did you mean "name"?`,
		strings.Repeat("[", 1000):              "the JSON cannot be read",
		"{\"slug\": \"a\\u0000\"}":             "must not contain the NUL character",
		"{\"slug\": \"x\", \"jobs\": {\"a\": {\"command\": 1, \"needs\": [\n\"b\"]}}}": `2:1: jobs.a.needs[0]: no job "b"`,
	} {
		got := strings.Join(issues(text, definition.JSON), "\n")
		assert.Contains(t, got, want, "%.60q", text)
	}
}

func TestJSONHasCharactersThatYAMLWouldRefuse(t *testing.T) {
	t.Parallel()
	def, problems := definition.Parse([]byte("{\n\t\"slug\": \"x\", \"name\": \"\\ud83d\\ude00 a\\/b\", \"jobs\": {\"a\": {\"command\": \"x\"}}}"), definition.JSON)
	require.Empty(t, problems)
	assert.Equal(t, "😀 a/b", def.Name)
}

// An alias bomb has few bytes and values without end.
func TestAliasesAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("slug: x\nx-0: &x0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "x-%d: &x%d [%s*x%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*x%d, ", i), 9), i)
	}
	got := strings.Join(issues(b.String(), definition.YAML), "\n")
	assert.Contains(t, got, "more than 100000 values once its aliases are followed")
}

// Documents of the largest size take no more than linear time.
func TestLargeDocumentsAreReadInLinearTime(t *testing.T) {
	t.Parallel()
	var keys, needs strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&keys, "x%d: \n", i)
	}
	assert.Len(t, issues("slug: x\n"+keys.String(), definition.YAML), 100)
	for i := range 1000 {
		fmt.Fprintf(&needs, "  j%d: {command: x, needs: [%s]}\n", i, "j"+fmt.Sprint(max(i-1, 0))+", j"+fmt.Sprint(max(i-2, 0)))
	}
	assert.NotEmpty(t, issues("slug: x\njobs:\n"+needs.String(), definition.YAML))
	assert.NotEmpty(t, issues("["+strings.TrimSuffix(strings.Repeat("1,\n", 99_000), ",\n")+"]", definition.JSON))
}

func TestScalarsKeepTheirText(t *testing.T) {
	t.Parallel()
	def := parse(t, `
slug: x
params: { v: { enum: [1.30, 1e3, yes], default: 1.30 } }
env: { A: 1.30, B: 0o17, C: true, D: 2026-01-02, E: "", F: ~x, G: 0x1F, H: 1_000 }
jobs: { a: { command: true, matrix: { values: { go: [1.30, 1.20] } } } }
`)
	assert.Equal(t, map[string]string{"A": "1.30", "B": "0o17", "C": "true", "D": "2026-01-02", "E": "", "F": "~x", "G": "0x1F", "H": "1_000"}, def.Environment)
	assert.Equal(t, []hodei.Scalar{"1.30", "1e3", "yes"}, def.Params[0].Enum)
	assert.Equal(t, hodei.Scalar("1.30"), *def.Params[0].Default)
	assert.Equal(t, []hodei.Scalar{"1.30", "1.20"}, def.Jobs[0].Matrix.Values["go"])
	assert.Equal(t, "true", def.Jobs[0].Command.Shell)
}

func TestAnchorsMergeKeysAndExtensionFields(t *testing.T) {
	t.Parallel()
	def := parse(t, `
slug: x
x-go: &go { shell: bash, env: { A: a }, timeout: 10m }
x-more: &more { timeout: 20m, after: ./after.sh }
jobs:
  a: { <<: *go, command: x }
  b:
    <<: [*go, *more]
    command: y
    shell: sh
`)
	a, b := def.Jobs[0], def.Jobs[1]
	assert.Equal(t, "bash", a.Shell.Name)
	assert.Equal(t, map[string]string{"A": "a"}, a.Environment)
	assert.InDelta(t, 600, *b.TimeoutSeconds, 0, "the first of several goes before the second")
	assert.Equal(t, "./after.sh", b.After)
	assert.Equal(t, "sh", b.Shell.Name, "a field of the job goes before that of an alias")
}

func TestDefaultsAreMergedIntoEachJob(t *testing.T) {
	t.Parallel()
	def := parse(t, `
slug: x
defaults: { shell: bash, timeout: 1h, type: rust, env: { A: a, B: b }, requirements: { labels: { os: linux } }, retries: { max: 2 } }
jobs:
  own: { command: x, timeout: 5m, env: { B: other, C: c }, requirements: { capacity: 2 } }
  none: { command: x, timeout: null, type: null, env: { A: null }, retries: null, requirements: null }
  list: { command: [x] }
  typed: { command: x, requirements: { type: go } }
  child: { pipeline: { slug: y } }
finally:
  last: { command: x }
`)
	job := map[string]hodei.JobDefinition{}
	for _, j := range def.Jobs {
		job[j.Key] = j
	}
	own := job["own"]
	assert.InDelta(t, 300, *own.TimeoutSeconds, 0)
	assert.Equal(t, map[string]string{"A": "a", "B": "other", "C": "c"}, own.Environment, "variables are merged")
	assert.Equal(t, 2, own.Requirements.Capacity)
	assert.Nil(t, own.Requirements.Labels, "every other value is replaced as a whole")
	assert.Equal(t, "rust", *own.Requirements.Type)
	assert.Equal(t, 2, own.Retries.Max)

	none := job["none"]
	assert.Nil(t, none.TimeoutSeconds, "null removes a default")
	assert.Nil(t, none.Type)
	assert.Nil(t, none.Requirements.Type)
	assert.Nil(t, none.Retries)
	assert.Equal(t, map[string]string{"B": "b"}, none.Environment, "null removes a variable")
	assert.Equal(t, "bash", none.Shell.Name)
	assert.Equal(t, "sh", parse(t, "slug: x\ndefaults: {shell: bash}\njobs: {a: {command: x, shell: null}}\n").Jobs[0].Shell.Name,
		"without a shell a script runs as sh -ec")

	assert.True(t, job["list"].Shell.IsZero(), "a list takes no shell, so it has none from the defaults")
	assert.Equal(t, "go", *job["typed"].Requirements.Type)
	assert.Nil(t, job["child"].Requirements.Type)
	assert.Equal(t, 2, job["child"].Retries.Max, "each attempt starts another run")
	assert.True(t, job["last"].Finally)
	assert.InDelta(t, 3600, *job["last"].TimeoutSeconds, 0)
}

func TestDurationsAndSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"90s": 90, "5m": 300, "1h": 3600, "7d": 604800, "1h30m": 5400, "1d12h": 129600, "1.5s": 1.5, "250ms": 0.25} {
		got, err := definition.ParseDuration(text)
		require.NoError(t, err, text)
		assert.InDelta(t, want, got, 1e-9, text)
	}
	for _, text := range []string{"", "5", "-5s", "5 m", "1w", "d", "1.5d", "m5", "+5s", "7d-1h"} {
		_, err := definition.ParseDuration(text)
		assert.Error(t, err, text)
	}
	def := parse(t, "slug: x\njobs: {a: {command: x, limits: {memory: 1.5GiB}, log_limit: 10MB}, b: {command: x, limits: {memory: 512m}, log_limit: 4096}}\n")
	assert.EqualValues(t, 3<<29, def.Jobs[0].Limits.Memory)
	assert.EqualValues(t, 10_000_000, *def.Jobs[0].LogLimit)
	assert.EqualValues(t, 512<<20, def.Jobs[1].Limits.Memory)
	assert.EqualValues(t, 4096, *def.Jobs[1].LogLimit)
}

// A job can be retried after every reason for which it fails.
func TestRetriesTakeEveryReason(t *testing.T) {
	t.Parallel()
	for _, reason := range append([]hodei.Reason{"FAILED", "TIMED_OUT", "exit:3", "signal:SIGSEGV"}, hodei.RetryReasons...) {
		def := parse(t, fmt.Sprintf("slug: x\njobs: {a: {command: x, retries: {max: 1, on: ['%s']}}}\n", reason))
		assert.Equal(t, []string{string(reason)}, def.Jobs[0].Retries.On)
	}
}

// The example has every part of the grammar.
func TestTheWholeGrammarIsRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/grammar.yaml")
	require.NoError(t, err)
	def, problems := definition.Parse(text, definition.YAML)
	require.Empty(t, definition.Errors(problems))
	require.Empty(t, definition.Warnings(problems))
	var keys []string
	for _, job := range def.Jobs {
		keys = append(keys, job.Key)
	}
	assert.Equal(t, []string{"build", "test", "lint", "e2e", "deploy", "smoke", "page", "cleanup"}, keys, "in the order of the file")
	assert.Equal(t, keys, def.Order)
	assert.InDelta(t, 6*3600, *def.TimeoutSeconds, 0)
}
