//go:build linux

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestManagerWithoutMessagesLosesNoWorker: a worker manager that is connected to NATS and
// Postgres but receives nothing from NATS does not declare workers lost.
func TestManagerWithoutMessagesLosesNoWorker(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	natsURL := natsServer(t)
	s := up(t, "--nats", natsURL, "--database-url", database)
	way := newLink(t, strings.TrimPrefix(natsURL, "nats://"))
	deaf := start(t, "worker-manager", "--nats", "nats://"+way.addr, "--database-url", database, "--lost-after", "7s", "--log-level", "debug")

	gate := filepath.Join(t.TempDir(), "gate")
	id := s.execute(fmt.Sprintf("echo begun; until [ -e %s ]; do sleep 0.05; done", gate))
	status := func() any {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
		return e["status"]
	}
	eventually(t, "the command runs", time.Minute, func() bool { return status() == "RUNNING" })
	way.disturb(trouble{drop: true}, trouble{drop: true})
	// It checks every five seconds.
	eventually(t, "it detects that reports may not arrive", time.Minute, func() bool { return strings.Count(deaf.output(), "reports may not arrive") >= 3 })
	require.Equal(t, "RUNNING", status())
	way.disturb(trouble{}, trouble{})
	require.NoError(t, os.WriteFile(gate, nil, 0o644))
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
}
