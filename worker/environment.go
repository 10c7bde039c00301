package worker

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/schemas"
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

// environment returns the environment of the command of req for exec: the base,
// its directories and ids, and the job's variables, which may replace all
// except the mark.
func (w *Worker) environment(req *schemas.ExecutionRequest, at place) []string {
	env := make([]string, 0, len(w.base)+8+len(req.Environment))
	add := func(name, value string) {
		if _, set := req.Environment[name]; !set {
			env = append(env, name+"="+value)
		}
	}
	for _, v := range w.base {
		add(v.name, v.value)
	}
	add("HOME", at.home)
	add("TMPDIR", at.tmp)
	add(outputVariable, at.output())
	add("HODEI_WORKER_ID", w.id.String())
	add("HODEI_ATTEMPT", strconv.Itoa(req.Attempt))
	if req.JobID != nil {
		add("HODEI_JOB_ID", req.JobID.String())
	}
	if req.PipelineID != nil {
		add("HODEI_PIPELINE_ID", req.PipelineID.String())
	}
	for name, value := range req.Environment {
		if name != mark.TagVariable && name != mark.ExecutionVariable {
			env = append(env, name+"="+value)
		}
	}
	return append(env, mark.Execution(w.tag, req.ExecutionID)...)
}

// lookUp finds a program like a shell: a name with a slash is a path from the
// working directory, any other name is looked up in the command's PATH. The
// error distinguishes a missing program (ENOENT) from one that is not
// executable (EACCES).
func (w *Worker) lookUp(name string, req *schemas.ExecutionRequest, dir string) (string, error) {
	if name == "" {
		return "", unix.ENOENT
	}
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path, executable(path)
	}
	search, set := req.Environment["PATH"]
	if !set {
		search = w.base[0].value
	}
	var found error = unix.ENOENT
	for _, in := range filepath.SplitList(search) {
		path := filepath.Join(in, name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
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
