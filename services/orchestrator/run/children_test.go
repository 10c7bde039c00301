package run

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

// children are the runs that jobs of a world start, by the key and attempt of the job.
type children struct {
	of    map[string]*child
	count int
	// refuse has some not created.
	refuse bool
}

type child struct {
	hodei.ChildRun
	call hodei.RunCall
	stop bool
}

func attempt(key string, n int) string { return fmt.Sprintf("%s#%d", key, n) }

// show gives the jobs their runs, as the record does before a run is advanced.
func (c *children) show(r *hodei.Run) {
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if one, ok := c.of[attempt(j.Key, j.Attempt)]; ok {
			shown := one.ChildRun
			j.Child = &shown
		}
	}
}

// live are the runs that have not ended, in an order that does not change.
func (c *children) live() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.of)), func(id string) bool { return c.of[id].Status.Ended() })
}

// act starts, pauses, continues or ends a run. One that is stopped ends.
func (c *children) act(t *rapid.T, id string) {
	one := c.of[id]
	switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
	case one.stop:
		one.Status = rapid.SampledFrom([]hodei.RunStatus{hodei.RunCancelled, hodei.RunCancelled, hodei.RunFailed, hodei.RunCompleted}).Draw(t, "stopped as")
	case one.Status == hodei.RunPending && what > 1:
		one.Status = hodei.RunRunning
	case one.Status == hodei.RunRunning && what == 0:
		one.Paused = !one.Paused
	default:
		one.Status = rapid.SampledFrom([]hodei.RunStatus{hodei.RunCompleted, hodei.RunCompleted, hodei.RunFailed, hodei.RunTimedOut, hodei.RunCancelled}).Draw(t, "ends as")
	}
	one.Paused = one.Paused && one.Status == hodei.RunRunning
}

// carryOut creates the runs that are asked for, and may refuse some. It reports whether it
// refused any, which Advance has to be asked about.
func (w *world) carryOut(steps Steps) (refused bool) {
	for _, call := range steps.Calls {
		id := attempt(call.Key, call.Attempt)
		require.NotContains(w.t, w.runs.of, id, "an attempt starts one run")
		require.Equal(w.t, w.r.Plan.Depth+1, call.Depth)
		w.runs.count++
		if w.runs.refuse && chance(id, 6) == 0 {
			Refuse(w.r, call.Key, call.Attempt, hodei.Refusal{Reason: hodei.ReasonStartFailed, Message: "no such pipeline"})
			require.True(w.t, slices.ContainsFunc(w.r.Jobs, func(j hodei.RunJob) bool { return j.Key == call.Key && j.Plan.Refused != nil }))
			refused = true
			continue
		}
		status := hodei.RunRunning
		if chance(id, 2) == 0 {
			status = hodei.RunPending
		}
		w.runs.of[id] = &child{call: call, ChildRun: hodei.ChildRun{
			RunID: hodei.RunID{14: 1, 15: byte(w.runs.count)}, Number: w.runs.count, Status: status, Attempt: call.Attempt, StartedAt: &w.now,
		}}
	}
	for _, run := range steps.StopRuns {
		for _, c := range w.runs.of {
			if c.RunID == run {
				c.stop = true
			}
		}
	}
	return refused
}
