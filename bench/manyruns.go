package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// manyRuns compares runs that fan out and in with the same executions without runs.
func manyRuns(ctx context.Context, b *bench) (rows []row, err error) {
	n, wide := b.scale(200, 40), 50
	var s series
	for range b.turns {
		alone, err := b.submitted(ctx, n*wide, "rest")
		if err != nil {
			return nil, err
		}
		s.limit = append(s.limit, float64(n*wide)/alone.took.Seconds())
		took, err := b.flow(ctx, n, layers(1, wide))
		if err != nil {
			return nil, err
		}
		s.hodei = append(s.hodei, float64(n*wide)/took.Seconds())
	}
	return []row{s.fill(row{Scenario: "runs, many", What: fmt.Sprintf("%d runs of %d × %s, out and in", n, wide, program), Unit: "/s",
		AtLeast: 0.8, Aim: 1, Note: "executions; the limit is as many by POST /execute, without runs"})}, nil
}

// largeRuns compares the time of a job in a run of 1000 jobs with that in smaller runs.
func largeRuns(ctx context.Context, b *bench) (rows []row, err error) {
	wide := 50
	sizes := []int{5, 10, 20}
	took := map[int][]float64{}
	for range b.turns {
		for _, deep := range sizes {
			one, err := b.flow(ctx, 1, layers(deep, wide))
			if err != nil {
				return nil, err
			}
			took[deep] = append(took[deep], milliseconds(one)/float64(deep*wide))
		}
	}
	for _, deep := range sizes[1:] {
		s := series{hodei: took[deep], limit: took[sizes[0]]}
		rows = append(rows, s.fill(row{Scenario: "runs, large", What: fmt.Sprintf("one run of %d × %s, for each job", deep*wide, program), Unit: "ms",
			Lower: true, AtLeast: 1.5, Aim: 1.1, Note: fmt.Sprintf("the limit is the same for a run of %d jobs: 1 is linear", sizes[0]*wide)}))
	}
	return rows, nil
}

// flow runs a pipeline n times on a fresh Hodei, all at once, and returns the time until
// all runs have ended.
func (b *bench) flow(ctx context.Context, n int, jobs map[string]any) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	h, done, err := b.fresh(ctx, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	f, err := followRuns(h.nats)
	if err != nil {
		return 0, err
	}
	defer f.nc.Close()
	if err := errors.Join(h.define(ctx, "flow", jobs), h.define(ctx, "warm", layers(1, slots))); err != nil {
		return 0, err
	}
	if err := h.start(ctx, "warm"); err != nil {
		return 0, err
	}
	if _, err := f.wait(ctx, 1); err != nil {
		return 0, err
	}
	stop := b.startProfile(ctx, h.system, fmt.Sprintf("runs-%d-%d", n, len(jobs)))
	began := time.Now()
	if err := each(ctx, n, func(ctx context.Context) error { return h.start(ctx, "flow") }); err != nil {
		return 0, errors.Join(err, stop())
	}
	at, err := f.wait(ctx, n)
	return at.Sub(began), errors.Join(err, stop())
}
