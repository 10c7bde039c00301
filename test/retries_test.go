package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attempts returns the executions of a job, first to last.
func (s *system) attempts(job string) []object {
	s.t.Helper()
	_, list := call(s.t, "GET", s.orchestrator+"/executions?job_id="+job, "")
	var all []object
	for _, e := range list["items"].([]any) {
		all = append([]object{e.(object)}, all...)
	}
	return all
}

// TestRetries: the policy retries a failed job, each time as a new execution,
// until it completes or no retry is left.
func TestRetries(t *testing.T) {
	t.Parallel()
	s := up(t)
	flaky := filepath.Join(t.TempDir(), "tries")
	job := s.job(fmt.Sprintf(`{"command": "echo >> %s; test $(wc -l < %s) = 3", "retries": {"max": 5, "backoff_seconds": 0.2}}`, flaky, flaky))
	status, e := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
	require.Equal(t, 200, status, e)
	eventually(t, "the third attempt completes", time.Minute, func() bool {
		_, j := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
		return j["status"] == "COMPLETED"
	})
	tries := s.attempts(job)
	require.Len(t, tries, 3)
	for i, e := range tries {
		require.Equal(t, float64(i+1), e["attempt"])
		require.Nil(t, e["retry_at"])
		if i > 0 {
			require.Equal(t, tries[i-1]["id"], e["retry_of"])
		}
	}
	written, err := os.ReadFile(flaky)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(written), "\n"))

	hopeless := s.job(`{"command": "exit 3", "retries": {"max": 1, "backoff_seconds": 0}}`)
	call(t, "POST", s.orchestrator+"/jobs/"+hopeless+"/execute", "")
	eventually(t, "both attempts fail", time.Minute, func() bool {
		tries := s.attempts(hopeless)
		return len(tries) == 2 && tries[1]["status"] == "FAILED" && tries[1]["retry_at"] == nil
	})
}

// TestCancelledAndDueRetries: cancelling a failed execution cancels its retry.
// Restarted services remember due retries.
func TestCancelledAndDueRetries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, "--data-dir", dir)
	later := func(backoff string) (job, id string) {
		job = s.job(`{"command": "exit 3", "retries": {"max": 1, "backoff_seconds": ` + backoff + `}}`)
		_, e := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
		id = e["execution_id"].(string)
		e = s.ended(id)
		require.Equal(t, "FAILED", e["status"])
		require.NotNil(t, e["retry_at"])
		return job, id
	}
	cancelled, id := later("3600")
	status, e := call(t, "POST", s.orchestrator+"/executions/"+id+"/cancel", "")
	require.Equal(t, 202, status, e)
	require.Nil(t, e["retry_at"])
	require.Equal(t, "FAILED", e["status"])
	status, _ = call(t, "POST", s.orchestrator+"/executions/"+id+"/cancel", "")
	require.Equal(t, 409, status)

	byHand, id := later("3600")
	status, e = call(t, "POST", s.orchestrator+"/executions/"+id+"/retry", "")
	require.Equal(t, 201, status, e)
	_, e = call(t, "GET", s.orchestrator+"/executions/"+id, "")
	require.Nil(t, e["retry_at"])

	owed, _ := later("1")
	s.kill()
	s = up(t, "--data-dir", dir)
	eventually(t, "what is owed is executed", time.Minute, func() bool { return len(s.attempts(owed)) == 2 })
	require.Len(t, s.attempts(byHand), 2)
	require.Len(t, s.attempts(cancelled), 1)
}
