package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// diskSystem is `hodei up` with a separate disk for each store.
type diskSystem struct {
	*system
	disks map[string]*localtest.Disk // by the name in the data directory
}

func upOnDisks(t *testing.T, args ...string) *diskSystem {
	t.Helper()
	dir, disks := dataDir(t), map[string]*localtest.Disk{}
	for store, size := range map[string]int64{"postgres": 400 << 20, "nats": 64 << 20, "workers": 64 << 20} {
		disks[store] = localtest.NewDisk(t, size)
		require.NoError(t, os.Symlink(disks[store].Dir, filepath.Join(dir, store)))
	}
	return &diskSystem{up(t, append(args, "--data-dir", dir)...), disks}
}

// readiness returns the status of /readyz and its checks.
func (s *diskSystem) readiness() (int, object) {
	s.t.Helper()
	status, body := call(s.t, "GET", s.orchestrator+"/readyz", "")
	return status, body["checks"].(object)
}

// try requests an execution, which may be refused with 503 only. It returns its
// id, "" if refused, and the message.
func (s *diskSystem) try() (id, message string) {
	s.t.Helper()
	status, raw, header := request(s.t, "POST", s.workerManager+"/api/v1/execute", `{"command":"echo x"}`, nil)
	if status == 201 {
		return decode(s.t, raw)["id"].(string), ""
	}
	require.Equal(s.t, 503, status, "%s", raw)
	require.NotEmpty(s.t, header.Get("Retry-After"))
	return "", decode(s.t, raw)["message"].(string)
}

// recovered waits until everything is ready again and a new execution
// completes.
func (s *diskSystem) recovered() {
	s.t.Helper()
	began := time.Now()
	eventually(s.t, "it is ready again", 90*time.Second, func() bool {
		status, _ := s.readiness()
		return status == 200
	})
	var id string
	eventually(s.t, "executions are accepted again", 90*time.Second, func() bool { id, _ = s.try(); return id != "" })
	require.Equal(s.t, "COMPLETED", s.ended(id)["status"])
	s.t.Logf("recovered %s after space was freed", time.Since(began).Round(time.Millisecond))
}

// TestFullDisks fills the disks of Postgres and NATS, each alone and both
// together, while a command runs. Requests fail with 503 only, readiness names
// the full disk, and everything recovers once the disk has space. No accepted
// execution and no line of the command is lost.
func TestFullDisks(t *testing.T) {
	t.Parallel()
	s := upOnDisks(t, "--min-free", "-1") // otherwise nothing would be written
	for name, c := range map[string]struct{ disks, checks []string }{
		"Postgres": {[]string{"postgres"}, []string{"orchestrator.postgres", "worker-manager.postgres"}},
		"NATS":     {[]string{"nats"}, []string{"worker-manager.streams"}},
		"both":     {[]string{"postgres", "nats"}, []string{"orchestrator.postgres", "worker-manager.streams"}},
	} {
		t.Run(name, func(t *testing.T) {
			stop := filepath.Join(t.TempDir(), "stop")
			running := s.execute("i=0; while [ ! -e " + stop + " ]; do i=$((i+1)); echo line $i; sleep 0.1; done")
			for range s.follow(running, "follow=true") { // it runs
				break
			}
			for _, disk := range c.disks {
				require.NoError(t, s.disks[disk].Fill())
			}
			var accepted []string
			eventually(t, "readiness names what is full", 90*time.Second, func() bool {
				if id, _ := s.try(); id != "" {
					accepted = append(accepted, id)
				}
				status, checks := s.readiness()
				for _, check := range c.checks {
					if word, _ := checks[check].(string); word == "ok" || word == "" {
						return false
					}
				}
				require.Equal(t, 503, status)
				return true
			})
			for _, disk := range c.disks {
				require.NoError(t, s.disks[disk].Free())
			}
			s.recovered()
			for _, id := range accepted {
				require.Equal(t, "COMPLETED", s.ended(id)["status"])
			}
			require.NoError(t, os.WriteFile(stop, nil, 0o600))
			require.Equal(t, "COMPLETED", s.ended(running)["status"])
			lines, _ := s.lines(running, "")
			for i, line := range lines {
				require.Equal(t, fmt.Sprintf("line %d", i+1), line)
			}
		})
	}
}

// TestTooLittleSpaceForNewWork: below the minimum, new executions are refused
// with the reason, and running ones continue.
func TestTooLittleSpaceForNewWork(t *testing.T) {
	t.Parallel()
	s := upOnDisks(t, "--min-free", "8")
	running := s.execute("read x < " + fifo(t) + "; echo done")
	for disk, name := range map[string]string{"postgres": "Postgres", "nats": "NATS"} {
		require.NoError(t, s.disks[disk].Leave(4<<20))
		var message string
		eventually(t, "executions are refused", 30*time.Second, func() bool { _, message = s.try(); return message != "" })
		require.Regexp(t, `^The disk of `+name+` has [34] MiB free, less than the 8 MiB that must stay free: free some space, or lower --min-free$`, message)
		job := s.job(`{"command":"true"}`) // only executions are refused
		status, _, header := request(t, "POST", s.orchestrator+"/api/v1/jobs/"+job+"/execute", "", nil)
		require.Equal(t, 503, status)
		require.NotEmpty(t, header.Get("Retry-After"))
		status, checks := s.readiness()
		require.Equal(t, 503, status)
		require.Equal(t, message, checks["orchestrator.disk"])
		require.NoError(t, s.disks[disk].Free())
		s.recovered()
	}
	_, e := call(t, "GET", s.orchestrator+"/api/v1/executions/"+running, "")
	require.Equal(t, "RUNNING", e["status"])
}

// TestWorkerWithoutSpace: a worker whose disk lacks space accepts nothing,
// reports why, and resumes by itself.
func TestWorkerWithoutSpace(t *testing.T) {
	t.Parallel()
	s := upOnDisks(t, "--min-free", "8")
	require.NoError(t, s.disks["workers"].Leave(1<<20))
	eventually(t, "the worker reports that it lacks space", 60*time.Second, func() bool {
		_, list := call(t, "GET", s.workerManager+"/api/v1/workers", "")
		for _, item := range list["items"].([]any) {
			w := item.(object)
			why, _ := w["blocked"].(string)
			if strings.Contains(why, "The disk of the worker has") && w["capacity"] == 0.0 {
				return true
			}
		}
		return false
	})
	id, _ := s.try() // before the report, the worker could still have accepted it
	eventually(t, "the queue names the reason", 60*time.Second, func() bool {
		_, queue := call(t, "GET", s.scheduler+"/api/v1/queue", "")
		items := queue["items"].([]any)
		return len(items) == 1 && items[0].(object)["execution_id"] == id && items[0].(object)["reason"] == "no worker: 1 low on disk space"
	})
	eventually(t, "readiness reports it", 60*time.Second, func() bool {
		status, checks := s.readiness()
		require.Equal(t, http.StatusOK, status, "it does not make the system unready")
		return checks["scheduler.workers"] == "no worker: 1 low on disk space"
	})
	require.NoError(t, s.disks["workers"].Free())
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
	s.recovered()
}

// fifo creates a named pipe without a writer.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}
