package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/definition"
)

// hodei runs the command line program and returns its output.
func (s *system) hodei(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "HODEI_SERVER="+s.orchestrator)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "hodei %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// module is a small Go module in a git repository.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module example.com/small\n\ngo 1.26\n",
		"main.go":          "package main\n\nimport \"example.com/small/sum\"\n\nfunc main() { println(sum.Of(1, 2)) }\n",
		"sum/sum.go":       "package sum\n\nfunc Of(a, b int) int { return a + b }\n",
		"sum/sum_test.go":  "package sum\n\nimport \"testing\"\n\nfunc TestOf(t *testing.T) {\n\tif Of(1, 2) != 3 {\n\t\tt.Fatal(\"wrong\")\n\t}\n}\n",
		"more/sum_test.go": "package more\n\nimport \"testing\"\n\nfunc TestNothing(*testing.T) {}\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-q", "-m", "a module"}} {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

// TestTheCIOfThisRepositoryAsAPipeline runs its file on two workers that share nothing, for a
// small module in place of Hodei: the second run starts with what the first has compiled.
func TestTheCIOfThisRepositoryAsAPipeline(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "2", "--worker-capacity", "1")
	args := []string{"run", "-f", "../examples/ci/hodei.yaml", "--source", module(t), "--param", "program=.",
		"--param", "flags=-count=1 -vet=off", "--param", "cgo=0", "--param", "lint=false"}
	first, second := s.hodei(t, args...), s.hodei(t, args...)
	for i, out := range []string{first, second} {
		require.Contains(t, out, fmt.Sprintf("hodei-ci#%d COMPLETED", i+1))
		require.Contains(t, out, "packages that passed: 2")
		require.Contains(t, out, "received the artifact build/program")
		require.NotContains(t, out, "warning")
	}
	const compiled, saved, restored = "internal/runtime/maps\n", "saved the cache go-", "restored the cache go-"
	require.Equal(t, []int{1, 1, 2}, []int{strings.Count(first, compiled), strings.Count(first, saved), strings.Count(first, restored)}, first)
	require.Equal(t, []int{0, 0, 3}, []int{strings.Count(second, compiled), strings.Count(second, saved), strings.Count(second, restored)}, second)
	workers := map[string]bool{}
	_, list := call(t, "GET", s.orchestrator+"/executions?limit=100", "")
	for _, e := range list["items"].([]any) {
		if id, ok := e.(object)["worker_id"].(string); ok {
			workers[id] = true
		}
	}
	require.Len(t, workers, 2)
}

// goProject is a copy of the example, with what a run of it is given.
func goProject(t *testing.T) (dir string, params object) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../examples/go-project")))
	return dir, object{"dir": dir, "target": "prod", "gocache": goEnv(t, "GOCACHE"), "version": "1.30"}
}

// released is what the released program prints, "" before there is one.
func released(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(dir, "out", "greet-prod")).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// TestGoProjectOnTheCommandLine: the file is applied and run, the release waits for an
// approval, and a rerun of it takes over the results of the other jobs.
func TestGoProjectOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "4")
	dir, params := goProject(t)
	args := []string{"run", "-f", filepath.Join(dir, "hodei.yaml"), "--detach"}
	for name, value := range params {
		args = append(args, "--param", name+"="+value.(string))
	}
	require.Equal(t, "greet#1\n", s.hodei(t, args...))
	for _, run := range []string{"greet#1", "greet#2"} {
		eventually(t, run+" asks", 3*time.Minute, func() bool { return strings.Contains(s.hodei(t, "run", "show", run), "BLOCKED") })
		require.Regexp(t, `Release 1.30 \([0-9a-f]{12}\) to prod`, s.hodei(t, "run", "show", run, "-o", "json"))
		s.hodei(t, "approve", run, "--comment", "fine")
		require.Contains(t, s.hodei(t, "wait", run), run+" COMPLETED")
		require.Equal(t, "Hello from greet 1.30\n", released(t, dir))
		if run == "greet#1" {
			require.NoError(t, os.Remove(filepath.Join(dir, "out", "greet-prod")))
			s.hodei(t, "rerun", run, "--job", "build", "--detach")
		}
	}
	shown := s.hodei(t, "run", "show", "greet#2", "-o", "json")
	require.Contains(t, shown, `"reused_execution_id":"exec_`)
}

// door asks for an operation by its subject, or its method and path.
type door func(subject, method, path string, body object) object

// TestGoProjectWithoutAFile makes the same pipeline job by job, over REST alone and over
// NATS alone.
func TestGoProjectWithoutAFile(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "4")
	t.Run("REST", func(t *testing.T) {
		goProjectThrough(t, func(_, method, path string, body object) object {
			delete(body, "id") // it is in the path, as the key is
			text := ""
			if path != "/jobs" {
				delete(body, "key")
			}
			if len(body) > 0 {
				text = quote(body)
			}
			status, reply := call(t, method, s.orchestrator+"/api/v1"+path, text)
			require.Less(t, status, http.StatusMultipleChoices, reply)
			return reply
		})
	})
	t.Run("NATS", func(t *testing.T) {
		nc, err := nats.Connect(s.nats)
		require.NoError(t, err)
		defer nc.Close()
		goProjectThrough(t, func(subject, _, _ string, body object) object {
			msg, err := nc.Request("hodei.v1."+subject, []byte(quote(body)), time.Minute)
			require.NoError(t, err)
			require.Empty(t, msg.Header.Get("Nats-Service-Error-Code"), string(msg.Data))
			var reply object
			require.NoError(t, json.Unmarshal(msg.Data, &reply))
			return reply
		})
	})
}

func goProjectThrough(t *testing.T, ask door) {
	dir, params := goProject(t)
	pipeline := ask("pipelines.create", "POST", "/pipelines", object{"name": "greet"})["id"].(string)
	for _, job := range jobsOf(t, filepath.Join(dir, "hodei.yaml")) {
		job["pipeline_id"] = pipeline
		ask("jobs.create", "POST", "/jobs", job)
	}
	environment := object{"GOCACHE": params["gocache"], "CGO_ENABLED": "0"}
	for name, value := range params {
		environment["PARAM_"+strings.ToUpper(name)] = value
	}
	run := ask("pipelines.execute", "POST", "/pipelines/"+pipeline+"/execute", object{"id": pipeline, "environment": environment})["id"].(string)
	first := run
	for range 2 {
		get := func() object { return ask("runs.get", "GET", "/runs/"+run, object{"id": run}) }
		eventually(t, "the release asks", 3*time.Minute, func() bool { return jobOfRun(get(), "release")["status"] == "BLOCKED" })
		ask("runs.approve", "POST", "/runs/"+run+"/jobs/release/approve", object{"id": run, "key": "release", "comment": "fine"})
		eventually(t, "the run ends", 3*time.Minute, func() bool { return get()["completed_at"] != nil })
		require.Equal(t, "COMPLETED", get()["status"])
		require.Equal(t, "SKIPPED", jobOfRun(get(), "notice")["status"])
		require.Equal(t, "Hello from greet 1.30\n", released(t, dir))
		if run == first {
			require.NoError(t, os.Remove(filepath.Join(dir, "out", "greet-prod")))
			run = ask("runs.rerun", "POST", "/runs/"+run+"/rerun", object{"id": run, "jobs": []string{"build"}})["id"].(string)
		}
	}
	again := ask("runs.get", "GET", "/runs/"+run, object{"id": run})
	require.Equal(t, first, again["rerun_of"])
	require.NotNil(t, jobOfRun(again, "test[language=eu,mode=shuffle]")["reused_execution_id"])
	require.NotNil(t, jobOfRun(again, "build")["execution_id"])
}

// jobsOf are the jobs of a file as bodies of REST, which has no params.
func jobsOf(t *testing.T, path string) (jobs []object) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	d, problems := definition.Parse(text, definition.YAML)
	require.Empty(t, problems)
	for _, one := range d.Jobs {
		var job object
		require.NoError(t, json.Unmarshal([]byte(quote(one)), &job))
		delete(job, "name")
		if job["approval"] != nil {
			job["approval"] = object{"message": "Release it?"}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

func jobOfRun(run object, key string) object {
	jobs, _ := run["jobs"].([]any)
	for _, j := range jobs {
		if job := j.(object); job["key"] == key {
			return job
		}
	}
	return nil
}
