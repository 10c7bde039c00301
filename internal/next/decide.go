package next

import (
	"cmp"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

const (
	// window is how late a planned time may still fire.
	window = time.Hour
	// onTime is the same where missed times are not caught up: as long as it takes another
	// instance, or Postgres, to come back.
	onTime = 30 * time.Second
	// mostMissed bounds the count of times that were missed beyond the window.
	mostMissed = 10_000
)

// State is a schedule, and what is known about it while it is locked.
type State struct {
	hodei.Schedule
	// Ends are the final states of what it started, that it has not counted yet.
	Ends []string
	// Live is true while something that it started has not ended. Waiting is the number of
	// fires that wait for that.
	Live    bool
	Waiting int
	Now     time.Time
}

// Plan is what happens with a schedule.
type Plan struct {
	// Skipped are the planned times that start nothing.
	Skipped []hodei.Fire
	// Start and Wait are the planned times that start now and later.
	Start, Wait []time.Time
	// Release starts the oldest fire that waits.
	Release bool
	// Cancel ends what is live, and Supersede skips the fires that wait.
	Cancel, Supersede bool
	// NextAt is the next planned time, DueAt when to look at the schedule again.
	NextAt, DueAt *time.Time
	Failures      int
	// Paused is true if its failures pause it.
	Paused bool
}

// Decide returns what happens with a schedule now. The schedule names its next planned
// time in NextAt.
func Decide(s State) (Plan, error) {
	p := Plan{Failures: s.Failures, NextAt: s.NextAt}
	for _, end := range s.Ends {
		switch end {
		case string(hodei.Completed):
			p.Failures = 0
		case string(hodei.Failed), string(hodei.TimedOut):
			p.Failures++
		}
	}
	if n := s.PauseAfterFailures; n > 0 && p.Failures >= n && !s.Paused {
		p.Paused, p.NextAt = true, nil
		return p, nil
	}
	times, err := Parse(s.ScheduleSpec, s.Anchor)
	if err != nil {
		return p, err
	}
	p.Release = !s.Live && s.Waiting > 0
	if s.NextAt != nil {
		due := p.pass(s, times)
		p.fire(s, due)
	}
	if p.NextAt != nil {
		at := p.NextAt.Add(Delay(s.ID, *p.NextAt, s.JitterSeconds))
		p.DueAt = &at
	}
	if s.Live && s.Overlap == hodei.OverlapCancel && s.Waiting+len(p.Wait) > 0 {
		again := s.Now.Add(10 * time.Second) // in case the request to cancel was lost
		if p.DueAt == nil || again.Before(*p.DueAt) {
			p.DueAt = &again
		}
		p.Cancel = true
	}
	return p, nil
}

// pass moves NextAt beyond the times that have come. It returns those that are to fire,
// and records the others as missed.
func (p *Plan) pass(s State, times Times) (due []time.Time) {
	late := window
	if s.CatchUp == hodei.CatchUpNone {
		late = onTime
	}
	came := func(at time.Time, ago time.Duration) bool {
		return !at.Add(Delay(s.ID, at, s.JitterSeconds)).After(s.Now.Add(-ago))
	}
	first, missed := *s.NextAt, 0
	at, ok := first, true
	for ok && came(at, late) {
		if missed++; missed >= mostMissed {
			at, ok = times.After(s.Now.Add(-late))
			break
		}
		at, ok = times.After(at)
	}
	if missed > 0 {
		p.skip(first, hodei.ReasonMissed, missed)
	}
	for ok && came(at, 0) {
		due = append(due, at)
		at, ok = times.After(at)
	}
	p.NextAt = nil
	if ok {
		p.NextAt = &at
	}
	if n := len(due); s.CatchUp != hodei.CatchUpAll && n > 1 {
		for _, at := range due[:n-1] {
			p.skip(at, hodei.ReasonMissed, 1)
		}
		due = due[n-1:]
	}
	return due
}

// fire starts the times, or has them wait or skipped, as the schedule wants it while what
// it started before has not ended.
func (p *Plan) fire(s State, due []time.Time) {
	busy := s.Live || s.Waiting > 0
	for i, at := range due {
		switch cmp.Or(s.Overlap, hodei.OverlapSkip) {
		case hodei.OverlapAllow:
			p.Start = append(p.Start, at)
			continue
		case hodei.OverlapQueue:
			if busy && (s.Waiting+len(p.Wait) == 0 || len(due) > 1) {
				p.Wait = append(p.Wait, at)
				continue
			}
		case hodei.OverlapCancel:
			if i < len(due)-1 {
				p.skip(at, hodei.ReasonSuperseded, 1)
				continue
			}
			if busy {
				p.Wait, p.Supersede, p.Release = []time.Time{at}, s.Waiting > 0, false
				if !s.Live { // nothing is left to wait for
					p.Wait, p.Start = nil, []time.Time{at}
				}
				continue
			}
		}
		if busy {
			p.skip(at, hodei.ReasonOverlap, 1)
			continue
		}
		p.Start, busy = append(p.Start, at), true
	}
}

func (p *Plan) skip(at time.Time, why hodei.Reason, count int) {
	p.Skipped = append(p.Skipped, hodei.Fire{PlannedAt: at, Kind: hodei.FirePlanned, Status: hodei.FireSkipped, Reason: &why, Count: count})
}

// Begin returns the first planned time of a schedule from an instant on, and when it is
// due; nil if there is none.
func Begin(s hodei.Schedule, from time.Time) (nextAt, dueAt *time.Time, err error) {
	times, err := Parse(s.ScheduleSpec, s.Anchor)
	if err != nil {
		return nil, nil, err
	}
	at, ok := times.After(from)
	if !ok || s.Paused {
		return nil, nil, nil
	}
	due := at.Add(Delay(s.ID, at, s.JitterSeconds))
	return &at, &due, nil
}

// List returns the planned times after an instant, at most n, and those before the end if
// there is one.
func List(s hodei.Schedule, from time.Time, until *time.Time, n int) ([]time.Time, error) {
	times, err := Parse(s.ScheduleSpec, s.Anchor)
	out := []time.Time{}
	for at, ok := times.After(from); err == nil && ok && len(out) < n; at, ok = times.After(at) {
		if until != nil && !at.Before(*until) {
			break
		}
		out = append(out, at)
	}
	return slices.Clip(out), err
}
