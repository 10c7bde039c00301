package process

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/worker/exec"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// defaultPath is the PATH of commands if the worker has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// variable is one environment variable.
type variable struct{ name, value string }

// baseEnvironment returns the part of the worker's environment that every
// command gets.
func baseEnvironment() []variable {
	base := []variable{{"PATH", defaultPath}}
	if path := os.Getenv("PATH"); path != "" {
		base[0].value = path
	}
	for _, name := range []string{"LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL"} {
		if value, set := os.LookupEnv(name); set {
			base = append(base, variable{name, value})
		}
	}
	return base
}

// environment returns the environment of a command: the base, its directories, the
// variables of Hodei, and the job's variables, which may replace all except the mark.
func (p *process) environment(c *exec.Command) []string {
	env := make([]string, 0, len(p.host.base)+len(c.Variables)+len(c.Environment)+4)
	add := func(name, value string) {
		if _, set := c.Environment[name]; !set {
			env = append(env, name+"="+value)
		}
	}
	for _, v := range p.host.base {
		add(v.name, v.value)
	}
	add("HOME", c.Home)
	add("TMPDIR", c.Tmp)
	for name, value := range c.Variables {
		add(name, value)
	}
	for name, value := range c.Environment {
		if name != mark.TagVariable && name != mark.ExecutionVariable {
			env = append(env, name+"="+value)
		}
	}
	return append(env, p.mark...)
}

// lookUp finds a program like a shell: a name with a slash is a path from the
// working directory, any other name is looked up in the command's PATH. The
// error distinguishes a missing program (ENOENT) from one that is not
// executable (EACCES).
func (h *Host) lookUp(c *exec.Command) (string, error) {
	name := c.Args[0]
	if name == "" {
		return "", unix.ENOENT
	}
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.Dir, path)
		}
		return path, executable(path)
	}
	search, set := c.Environment["PATH"]
	if !set {
		search = h.base[0].value
	}
	var found error = unix.ENOENT
	for _, in := range filepath.SplitList(search) {
		path := filepath.Join(in, name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.Dir, path)
		}
		switch err := executable(path); {
		case err == nil:
			return path, nil
		case err == unix.EACCES:
			found = err
		}
	}
	return "", found
}

func executable(path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Access(path, unix.X_OK)
}
