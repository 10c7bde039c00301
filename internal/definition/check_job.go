package definition

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

var (
	jobKey    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$`)
	paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	hostName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// expansion matches text that a shell would replace.
	expansion = regexp.MustCompile(`\$(\{?[A-Za-z_]|\()`)
)

// job checks one job.
func (c *checker) job(job *hodei.JobDefinition) {
	at := jobPath(job)
	if !jobKey.MatchString(job.Key) {
		c.add(at, "%q is no key: up to 63 letters, digits, - and _ are", clip(job.Key))
	}
	c.command(at, job)
	c.call(at, job)
	c.needs(at, job)
	c.matrix(at, job)
	s := scope{c: c, job: job}
	c.conditions(at, job, s)
	c.setup(at, job, s)
	c.variables(at, job)
	c.retries(at, job.Retries)
	if name := job.Name; name != nil {
		scope{c: c, job: job, early: true}.text(under(at, "name"), *name)
	}
	if job.Approval != nil {
		s.text(under(at, "approval.message"), job.Approval.Message)
	}
	for i, code := range job.AllowFailure.ExitCodes {
		if code < 1 || code > 255 {
			c.add(fmt.Sprintf("%s.allow_failure.exit_codes[%d]", at, i), "1 to 255 is required, not %d", code)
		}
	}
	if job.When == hodei.WhenFailure && len(job.Needs) == 0 && !job.Finally {
		c.warn(under(at, "when"), "a job without needs has none that can fail: it is never run")
	}
}

// interpreters are programs one of whose arguments may well be a script.
var interpreters = []string{"sh", "bash", "dash", "zsh", "ash", "ksh", "fish", "pwsh", "powershell", "python", "python3", "ruby", "perl", "node",
	"deno", "bun", "php", "lua", "awk", "gawk", "sed", "jq", "psql", "env", "docker", "podman", "ssh", "timeout", "su", "sudo", "nix", "make", "curl", "git", "echo", "printf"}

func (c *checker) command(at string, job *hodei.JobDefinition) {
	where := under(at, "command")
	if job.Command.IsZero() && job.Pipeline == nil {
		c.warn(at, "no command: the job is skipped with the reason NO_COMMAND")
	}
	if err := job.Command.Check(); err != nil {
		c.add(where, "%s", issueOf(err))
	}
	if len(job.Command.Args) > 0 && !job.Shell.IsZero() {
		c.add(under(at, "shell"), "a command that is a list runs without a shell: write the command as a text, or leave out shell")
	}
	script := "commands receive data through their environment: put it in env and write \"$NAME\" here"
	for _, text := range append([]string{job.Command.Shell}, job.Command.Args...) {
		if strings.Contains(text, "${{") {
			c.add(where, "${{ }} is not allowed here; %s", script)
			break
		}
	}
	if strings.Contains(job.After, "${{") {
		c.add(under(at, "after"), "${{ }} is not allowed here; %s", script)
	}
	args := job.Command.Args
	if len(args) > 1 && !slices.Contains(interpreters, path.Base(args[0])) {
		for i, arg := range args[1:] {
			if strings.Contains(strings.TrimSpace(arg), " ") {
				c.warn(fmt.Sprintf("%s[%d]", where, i+1), "%q has a space and is one argument: no shell splits the elements of a list", clip(arg))
			}
		}
	} else if len(args) == 1 && strings.Contains(strings.TrimSpace(args[0]), " ") {
		c.warn(at+".command[0]", "%q is the name of one program: write the command as a text, without [ ]", clip(args[0]))
	}
}

// call checks a job that starts another pipeline.
func (c *checker) call(at string, job *hodei.JobDefinition) {
	call := job.Pipeline
	if call == nil {
		return
	}
	where := under(at, "pipeline")
	if !hodei.IsSlug(call.Slug) {
		c.add(under(where, "slug"), "%q is no slug: up to 63 small letters, digits and - are", clip(call.Slug))
	}
	if call.Slug == c.def.Slug && call.Slug != "" {
		c.add(under(where, "slug"), "a pipeline cannot start itself")
	}
	if !job.Command.IsZero() {
		c.add(at, "command and pipeline: a job has one of them")
	}
	s := scope{c: c, job: job}
	for _, name := range sorted(call.Params) {
		s.text(under(under(where, "params"), name), string(call.Params[name]))
	}
	s.text(under(where, "ref"), call.Ref)
	for _, f := range encodeJob(*job).fields {
		if name := f.key.text; !slices.Contains(callFields, name) && name != "command" && (name != "shell" || job.Command.IsZero()) {
			c.add(under(at, name), "a job that starts a pipeline has no %s", name)
		}
	}
}

func (c *checker) needs(at string, job *hodei.JobDefinition) {
	seen := map[string]bool{}
	for i, need := range job.Needs {
		where := fmt.Sprintf("%s.needs[%d]", at, i)
		other := c.jobs[need.Job]
		switch {
		case need.Job == job.Key:
			c.add(where, "the job needs itself")
		case other == nil:
			c.add(where, "no job %q%s", clip(need.Job), suggest(need.Job, c.keys()))
		case seen[need.Job]:
			c.add(where, "%q is given twice", need.Job)
		case other.Finally && !job.Finally:
			c.add(where, "%q is in finally, and runs after all other jobs", need.Job)
		}
		seen[need.Job] = true
	}
}

// cycles reports each cycle once, at the need that closes it.
func (c *checker) cycles() {
	const open, done = 1, 2
	state := map[string]int{}
	var trail []string
	var visit func(job *hodei.JobDefinition)
	visit = func(job *hodei.JobDefinition) {
		state[job.Key] = open
		trail = append(trail, job.Key)
		for i, need := range job.Needs {
			other := c.jobs[need.Job]
			if other == nil || other == job {
				continue
			}
			switch state[other.Key] {
			case open:
				from := slices.Index(trail, other.Key)
				c.add(fmt.Sprintf("%s.needs[%d]", jobPath(job), i), "a cycle: %s → %s", strings.Join(trail[from:], " → "), other.Key)
			case 0:
				visit(other)
			}
		}
		trail = trail[:len(trail)-1]
		state[job.Key] = done
	}
	for i := range c.def.Jobs {
		if job := &c.def.Jobs[i]; state[job.Key] == 0 && c.jobs[job.Key] == job {
			visit(job)
		}
	}
}

// variables reports duplicate names in the environment of a command.
func (c *checker) variables(at string, job *hodei.JobDefinition) {
	taken := map[string]string{}
	for _, p := range c.def.Params {
		taken["PARAM_"+hodei.VariableName(p.Name)] = "the param " + strconv.Quote(p.Name)
	}
	if job.Matrix != nil {
		for _, axis := range axes(job.Matrix) {
			name := "MATRIX_" + hodei.VariableName(axis)
			if other, ok := taken[name]; ok {
				c.add(under(at, "matrix"), "both %s and the axis %q are %s in the environment", other, axis, name)
			}
			taken[name] = "the axis " + strconv.Quote(axis)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		if other, ok := taken[name]; ok {
			c.add(under(under(at, "env"), name), "%s is in the environment under this name", other)
		}
		taken[name] = "a variable of env"
	}
	for name := range c.def.Environment {
		if other, ok := taken[name]; ok && other != "a variable of env" {
			c.add(under("env", name), "%s is in the environment under this name", other)
		}
	}
	for i, secret := range job.Secrets {
		where := fmt.Sprintf("%s.secrets[%d]", at, i)
		if hodei.IsSet(secret.Variable()) {
			c.add(where, hodei.SetByHodei)
		}
		if other, ok := taken[secret.Variable()]; ok {
			c.add(where, "%s is in the environment as %s", other, secret.Variable())
		}
		taken[secret.Variable()] = "the secret " + strconv.Quote(secret.Name)
	}
}

// retryable are the words for ends that retries.on takes.
var retryable = func() []string {
	words := []string{string(hodei.Failed), string(hodei.TimedOut)}
	for _, reason := range hodei.RetryReasons {
		words = append(words, string(reason))
	}
	return words
}()

var signal = regexp.MustCompile(`^signal:SIG[A-Z0-9]{2,10}$`)

func (c *checker) retries(at string, r *hodei.Retries) {
	if r == nil {
		return
	}
	for i, on := range r.On {
		where := fmt.Sprintf("%s.retries.on[%d]", at, i)
		code, isExit := strings.CutPrefix(on, "exit:")
		switch n, err := strconv.Atoi(code); {
		case isExit && (err != nil || n < 1 || n > 255):
			c.add(where, "exit: and a code from 1 to 255 is required, not %q", clip(on))
		case isExit || signal.MatchString(on) || slices.Contains(retryable, on):
		case strings.HasPrefix(on, "signal:"):
			c.add(where, "signal: and a name such as SIGKILL is required, not %q", clip(on))
		case on == string(hodei.Cancelled):
			c.add(where, "a cancelled execution is never retried")
		default:
			c.add(where, "%q is no end: a state, a reason, exit:N or signal:NAME is required%s", clip(on), suggest(on, retryable))
		}
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
