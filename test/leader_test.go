package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestTheLeadingSchedulerDies under a flood: killed, and the next one stopped for longer
// than its lease. Each time a standby takes over, everything ends, and nothing starts
// twice.
func TestTheLeadingSchedulerDies(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	_, role := roles(t)
	for _, name := range []string{"worker-manager", "orchestrator"} {
		role(name, "--database-url", database)
	}
	scheduler := func() *process { return role("scheduler", "--database-url", database) }
	first, second := scheduler(), scheduler()
	for range 2 {
		role("worker", "--capacity", "4", "--state-dir", t.TempDir())
	}
	edge := role("edge", "--port-base", "0")
	addrs := strings.Fields(edge.find(`ready edge (.*)`))
	db, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })

	witness := filepath.Join(t.TempDir(), "witness")
	started := func() []string {
		text, _ := os.ReadFile(witness) // missing before the first has started
		return strings.Fields(string(text))
	}
	command := fmt.Sprintf(`{"command":"echo \"$HODEI_EXECUTION_ID\" >> %s"}`, witness)
	var mu sync.Mutex
	var ids []string
	stop := make(chan struct{})
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, e := call(t, "POST", addrs[2]+"/api/v1/execute", command); status == 201 {
					mu.Lock()
					ids = append(ids, e["id"].(string))
					mu.Unlock()
				}
			}
		})
	}
	progress := func() {
		before := len(started())
		eventually(t, "executions start", time.Minute, func() bool { return len(started()) > before+50 })
	}

	eventually(t, "one scheduler leads", time.Minute, func() bool { return first.leads() != second.leads() })
	if second.leads() {
		first, second = second, first
	}
	progress()
	first.kill()
	t.Logf("after kill -9 the standby leads in %s", takes(t, second.leads))
	progress()

	third := scheduler()
	second.signal(syscall.SIGSTOP)
	t.Logf("after SIGSTOP the standby leads in %s", takes(t, third.leads))
	progress()
	second.signal(syscall.SIGCONT)
	eventually(t, "the one that was stopped finds its lease lost", time.Minute, func() bool { return !second.leads() })
	progress()

	third.signal(syscall.SIGTERM)
	t.Logf("after a clean stop the standby leads in %s", takes(t, second.leads))
	require.Zero(t, third.wait(), third.output())
	progress()

	close(stop)
	flood.Wait()
	eventually(t, "every execution completes", 2*time.Minute, func() bool {
		var left int
		require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM executions WHERE status <> 'COMPLETED'`).Scan(&left))
		return left == 0
	})
	t.Logf("%d executions", len(ids))
	all := started()
	seen := map[string]bool{}
	for _, id := range all {
		require.False(t, seen[id], "%s started twice", id)
		seen[id] = true
	}
	for _, id := range ids {
		require.True(t, seen[id], "%s never started", id)
	}
}

// leads reports whether a scheduler's log shows it in the lead.
func (p *process) leads() bool {
	return strings.LastIndex(p.output(), `"this scheduler leads"`) > strings.LastIndex(p.output(), `"this scheduler no longer leads"`)
}

// takes is how long it takes until a condition holds.
func takes(t *testing.T, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, "the standby leads", time.Minute, holds)
	return time.Since(began).Round(time.Millisecond)
}
