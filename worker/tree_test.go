package worker

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// Process trees that are hard to end. Each prints "child <pid>" of the most
// important process; afterwards no process may have the mark.
var trees = map[string]string{
	"ignores TERM":       `trap "" TERM; echo child $$; while :; do sleep 0.05; done`,
	"all ignore TERM":    `trap "" TERM; sh -c 'echo child $$; while :; do sleep 0.05; done' & while :; do sleep 0.05; done`,
	"left the group":     `setsid sh -c 'echo child $$; exec sleep 1000 >/dev/null 2>&1' & sleep 1000`,
	"forked twice":       `(setsid sh -c '(setsid sh -c "trap \"\" TERM; echo child \$\$; exec sleep 1000 >/dev/null 2>&1" &)' &); sleep 1000`,
	"holds the pipes":    `(setsid sh -c 'trap "" TERM; echo child $$; while :; do echo more; sleep 0.05; done' &); sleep 1000`,
	"forks again":        `(setsid sh -c 'trap "" TERM; echo child $$; while :; do (setsid sleep 1000 >/dev/null 2>&1 &); sleep 0.02; done' &); sleep 1000`,
	"leader gone before": `(setsid sh -c 'trap "" TERM; echo child $$; exec sleep 1000 >/dev/null 2>&1' &); trap 'exit 0' TERM; while :; do sleep 0.05; done`,
}

func TestTreesAreEndedWhole(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Slots = 32 }) // at least as many as run at once
	ways := map[string]struct {
		status hodei.ExecutionStatus
		end    func(t *testing.T, id hodei.ExecutionID)
	}{
		"cancelled":  {hodei.Cancelled, func(t *testing.T, id hodei.ExecutionID) { require.NoError(t, f.interrupt(id, hodei.ReasonCancelled)) }},
		"timed out":  {hodei.TimedOut, func(*testing.T, hodei.ExecutionID) {}},
		"given up":   {"", func(t *testing.T, id hodei.ExecutionID) { require.NoError(t, f.interrupt(id, hodei.ReasonWorkerLost)) }},
		"terminated": {hodei.Failed, func(t *testing.T, id hodei.ExecutionID) { f.slots.get(id).process.stop(hodei.ReasonWorkerTerminated) }},
	}
	for tree, command := range trees {
		for way, how := range ways {
			t.Run(tree+" "+way, func(t *testing.T) {
				t.Parallel()
				req := f.request(command)
				if seconds := 5.0; how.status == hodei.TimedOut {
					req.TimeoutSeconds = &seconds
				}
				id := f.run(req)
				f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[id]) > 0 })
				child := childIn(t, f.log(id))
				how.end(t, id)
				if how.status == "" {
					require.Eventually(t, func() bool { return f.slots.get(id) == nil }, time.Minute, time.Millisecond)
				} else {
					end, _ := f.end(id)
					require.Equal(t, how.status, end.Status)
				}
				requireGone(t, child)
				require.Empty(t, mark.Execution(f.tag, id).Bearers())
			})
		}
	}
}

func TestProcessesOutsideTheGroupHaveTheGraceToo(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Grace = time.Hour }) // the test ends before
	id := f.run(f.request(`(setsid sh -c 'trap "sleep 1; echo cleaned; exit" TERM; echo up; while :; do sleep 0.05; done' &); trap 'exit 5' TERM; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, lines := f.end(id)
	require.Equal(t, 5, *end.ExitCode)
	require.Equal(t, []string{"up", "cleaned"}, texts(lines, hodei.Stdout))
}

func TestProcessesThatHoldThePipesAreKilled(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, command := range map[string]string{
		"in silence":      `(setsid sh -c 'echo child $$; exec sleep 1000' &); exit 0`,
		"printing":        `(setsid sh -c 'trap "" TERM; echo child $$; while :; do echo more; sleep 0.01; done' &); exit 0`,
		"only one of two": `(setsid sh -c 'echo child $$; exec sleep 1000 >/dev/null' &); exit 0`,
	} {
		t.Run(name, func(t *testing.T) {
			id := f.run(f.request(command))
			end, lines := f.end(id)
			require.Equal(t, hodei.Completed, end.Status, "the command's own end counts")
			requireGone(t, childIn(t, lines))
			require.Empty(t, mark.Execution(f.tag, id).Bearers())
		})
	}
}

func TestADaemonThatClosesThePipesSurvives(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t) // opened for writing by the daemon after it has closed the pipes
	id := f.run(f.request(`(setsid sh -c 'echo child $$; exec >/dev/null 2>&1; echo > ` + gate + `; exec sleep 1000' &); cat < ` + gate))
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	daemon := childIn(t, lines)
	t.Cleanup(func() { _ = syscall.Kill(daemon, syscall.SIGKILL) })
	require.Equal(t, []int{daemon}, mark.Execution(f.tag, id).Bearers())
}

// TestAFullSpoolDoesNotKeepACommandAlive: a command that fills its output
// during an outage of NATS is stopped at once, and reported afterwards.
func TestAFullSpoolDoesNotKeepACommandAlive(t *testing.T) {
	t.Parallel()
	f, down, up := startRestartable(t, func(c *Config) { c.SpoolMemory, c.SpoolDisk = 128<<10, 128<<10 })

	gate := fifo(t)
	id := f.run(f.request(`trap "" TERM; (setsid sh -c 'echo child $$; echo > ` + gate + `; exec yes' &) ; cat < ` + gate + `; exec yes`))
	f.manager.await(t, "first lines", func() bool { return len(f.manager.logs[id]) > 0 })
	down()
	require.Eventually(t, f.spool.Full, time.Minute, time.Millisecond)
	f.slots.get(id).process.stop(hodei.ReasonCancelled)
	require.Eventually(t, func() bool { free, _ := f.slots.current(); return free == 4 }, time.Minute, time.Millisecond)
	require.Empty(t, mark.Execution(f.tag, id).Bearers())

	up()
	end, lines := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	requireGone(t, childIn(t, lines))
}
