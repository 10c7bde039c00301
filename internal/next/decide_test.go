package next

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

// TestEachPlannedTimeIsDecidedOnce: whatever the policies, the outages and what is live,
// each planned time up to now is started, waits or is skipped once, and in order.
func TestEachPlannedTimeIsDecidedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := float64(rapid.IntRange(1, 4000).Draw(t, "every"))
		jitter := float64(rapid.IntRange(0, 100).Draw(t, "jitter"))
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s := State{Schedule: hodei.Schedule{ID: hodei.ScheduleID{7}, Anchor: start}, Now: start}
		s.EverySeconds, s.JitterSeconds = &every, &jitter
		s.Overlap = rapid.SampledFrom([]string{"", "skip", "queue", "allow", "cancel"}).Draw(t, "overlap")
		s.CatchUp = rapid.SampledFrom([]string{"", "none", "last", "all"}).Draw(t, "catch_up")
		first, _, err := Begin(s.Schedule, start)
		require.NoError(t, err)
		s.NextAt = first
		seen, planned := map[time.Time]bool{}, 0
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			s.Now = s.Now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "after")) * time.Second)
			s.Live = rapid.Bool().Draw(t, "live")
			p, err := Decide(s)
			require.NoError(t, err)
			once := func(at time.Time, count int) {
				require.False(t, seen[at], "%s twice", at)
				seen[at], planned = true, planned+count
				require.False(t, at.Add(Delay(s.ID, at, &jitter)).After(s.Now), "%s is not due", at)
			}
			for _, f := range p.Skipped {
				once(f.PlannedAt, f.Count)
			}
			for _, at := range append(p.Start, p.Wait...) {
				once(at, 1)
			}
			if s.Live && s.Overlap != "allow" {
				require.Empty(t, p.Start, "something is live")
			}
			if p.Supersede {
				s.Waiting = 0
			}
			if p.Release {
				s.Waiting--
			}
			s.Waiting += len(p.Wait)
			require.NotNil(t, p.NextAt)
			require.False(t, p.NextAt.Before(*s.NextAt))
			s.NextAt = p.NextAt
			require.NotNil(t, p.DueAt)
			require.True(t, p.DueAt.After(s.Now))
		}
		want := int(s.NextAt.Sub(*first).Seconds()/every + 0.5)
		require.Equal(t, want, planned, "every planned time is decided")
	})
}
