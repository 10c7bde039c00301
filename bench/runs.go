package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// inSeries is how many jobs the pipeline has in which each needs the one before.
const inSeries = 10

// shortRuns measures jobs in series on an idle system: the pause between two of them, and
// a run of three.
func shortRuns(ctx context.Context, b *bench) (rows []row, err error) {
	n := b.scale(40, 12)
	signal, err := b.newFifo("step", true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, signal.close()) }()
	h, done, err := b.fresh(ctx, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	f, err := followRuns(h.nats)
	if err != nil {
		return nil, err
	}
	defer f.nc.Close()
	argv := []string{"/bin/sh", "-c", "echo >" + signal.path}
	if err := h.define(ctx, "steps", chainOf(inSeries, argv...)); err != nil {
		return nil, err
	}
	if err := h.define(ctx, "three", chainOf(3, program)); err != nil {
		return nil, err
	}
	var m runTimes
	for turn := range b.turns + 1 {
		limit, err := b.limit(ctx, append([]string{"-n", strconv.Itoa(n), "-url", h.database, "chain"}, argv...)...)
		if err != nil {
			return nil, err
		}
		drain(signal)
		stop := b.startProfile(ctx, h.system, "steps")
		gaps, err := h.steps(ctx, f, n, signal)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		took, err := h.threes(ctx, f, 2*n)
		if err := errors.Join(err, stop()); err != nil {
			return nil, err
		}
		if turn == 0 {
			continue // warm after that
		}
		m.add(scaled(limit.Samples, 1000), gaps, took)
		if err := m.addTemporal(ctx, b, n); err != nil {
			return nil, err
		}
	}
	return m.rows(), nil
}

// runTimes are the turns of shortRuns.
type runTimes struct{ p50, p99, three series }

func (m *runTimes) add(limits, gaps, took []float64) {
	m.p50.hodei, m.p50.limit = append(m.p50.hodei, quantile(gaps, 0.5)), append(m.p50.limit, quantile(limits, 0.5))
	m.p99.hodei, m.p99.limit = append(m.p99.hodei, quantile(gaps, 0.99)), append(m.p99.limit, quantile(limits, 0.99))
	m.three.hodei = append(m.three.hodei, quantile(took, 0.5))
}

// addTemporal measures the run of three as a workflow, if Temporal is one of the peers.
func (m *runTimes) addTemporal(ctx context.Context, b *bench, n int) error {
	for _, p := range b.peers {
		if p.name != "temporal" {
			continue
		}
		local, err := p.threes(ctx, b, n, false)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		recorded, err := p.threes(ctx, b, n, true)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		m.three.limit = append(m.three.limit, quantile(local, 0.5))
		m.three.peer("temporal, each activity recorded", quantile(recorded, 0.5))
	}
	return nil
}

func (m *runTimes) rows() []row {
	short := row{Scenario: "runs, three jobs", What: "request → run ended, 3 × " + program + " in series, p50", Unit: "ms", Lower: true}
	if len(m.three.limit) > 0 {
		short.AtLeast, short.Aim = 1.0/3, 1.0/6
		short.Note = "the limit is a Temporal workflow of three local activities, from its start until its client has the result. It records the three together, at the end; " +
			"Hodei records the start and the end of each, as Temporal does for activities that are not local"
	}
	what := fmt.Sprintf("end of a job → start of the next, %d jobs in series, ", inSeries)
	return []row{
		m.p50.fill(row{Scenario: "runs, step", What: what + "p50", Unit: "ms", Lower: true, AtLeast: 3, Aim: 2,
			Note: "the limit is two commits and a process start, in series, as for latency"}),
		m.p99.fill(row{Scenario: "runs, step", What: what + "p99", Unit: "ms", Lower: true, AtLeast: 6, Aim: 3}),
		m.three.fill(short),
	}
}

// steps runs the jobs in series n times and returns the pauses between them.
func (h *hodei) steps(ctx context.Context, f *runFeed, n int, signal *fifo) (gaps []float64, err error) {
	for range n {
		time.Sleep(idle)
		one, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := h.start(one, "steps"); err != nil {
			return nil, err
		}
		var before time.Time
		for i := range inSeries {
			at, err := signal.wait(one)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				gaps = append(gaps, milliseconds(at.Sub(before)))
			}
			before = at
		}
		if _, err := f.wait(one, 1); err != nil {
			return nil, err
		}
	}
	return gaps, nil
}

// threes runs the three jobs n times and returns how long each run took.
func (h *hodei) threes(ctx context.Context, f *runFeed, n int) (list []float64, err error) {
	for range n {
		time.Sleep(idle)
		one, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.start(one, "three"); err != nil {
			return nil, err
		}
		at, err := f.wait(one, 1)
		if err != nil {
			return nil, err
		}
		list = append(list, milliseconds(at.Sub(began)))
	}
	return list, nil
}
