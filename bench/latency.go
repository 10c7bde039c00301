package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// idle is the pause between samples, so that each finds an idle system.
const idle = 20 * time.Millisecond

// moments are times after one POST, in milliseconds.
type moments struct{ started, answered, done []float64 }

// latency executes one job at a time on an idle system.
func latency(ctx context.Context, b *bench) (rows []row, err error) {
	n := b.scale(300, 100)
	signal, err := b.newFifo("started", true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, signal.close()) }()
	hold, err := b.newFifo("hold", false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hold.close()) }()
	h, done, err := b.fresh(ctx, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()

	argv := []string{"/bin/sh", "-c", "echo >" + signal.path}
	if _, err := h.sample(ctx, 10, signal, argv); err != nil { // warm up
		return nil, err
	}
	var limits [][]float64
	var own []moments
	var released series
	peers := map[string][]moments{}
	for range b.turns {
		limit, err := b.limit(ctx, append([]string{"-n", strconv.Itoa(n), "-url", h.database, "chain"}, argv...)...)
		if err != nil {
			return nil, err
		}
		drain(signal)
		limits = append(limits, scaled(limit.Samples, 1000))
		stop := b.startProfile(ctx, h.system, "latency")
		m, err := h.sample(ctx, n, signal, argv)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		own = append(own, m)
		after, err := h.release(ctx, n/2, signal, hold)
		if err := errors.Join(err, stop()); err != nil {
			return nil, err
		}
		released.hodei = append(released.hodei, quantile(after, 0.5))
		for _, p := range b.peers {
			m, err := p.latency(ctx, b, n, signal, argv)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			peers[p.name] = append(peers[p.name], m)
		}
	}
	rows = latencyRows(n, limits, own, peers)
	rows[4].Plot = histogram(own[len(own)-1].done, "ms from POST to done")
	return append(rows, released.fill(row{Scenario: "latency, end", What: "signal to exit → done seen by a follower that is open, p50", Unit: "ms", Lower: true})), nil
}

// latencyRows compares the median and the 99th percentile of each moment with
// those of the limit.
func latencyRows(n int, limits [][]float64, own []moments, peers map[string][]moments) (rows []row) {
	for _, point := range []struct {
		what string
		of   func(moments) []float64
	}{
		{"POST → started", func(m moments) []float64 { return m.started }},
		{"POST → 200", func(m moments) []float64 { return m.answered }},
		{"POST → done seen", func(m moments) []float64 { return m.done }},
	} {
		for _, q := range []struct {
			name         string
			at           float64
			atLeast, aim float64
		}{{"p50", 0.5, 2, 1.3}, {"p99", 0.99, 6, 3}} {
			var s series
			for i := range own {
				s.hodei = append(s.hodei, quantile(point.of(own[i]), q.at))
				s.limit = append(s.limit, quantile(limits[i], q.at))
			}
			for name, list := range peers {
				for _, m := range list {
					s.peer(name, quantile(point.of(m), q.at))
				}
			}
			rows = append(rows, s.fill(row{Scenario: "latency", What: point.what + ", " + q.name, Unit: "ms",
				Lower: true, AtLeast: q.atLeast, Aim: q.aim}))
		}
	}
	rows[0].Note = fmt.Sprintf("%d one at a time; the limit is commit, fork with exec and wait, commit, in series. "+
		"A peer's 200 is its client's acknowledgement, its done is read from its store every millisecond", n)
	return rows
}

// sample executes a job n times, one at a time.
func (h *hodei) sample(ctx context.Context, n int, signal *fifo, argv []string) (m moments, err error) {
	id, err := job(ctx, h.base, argv...)
	if err != nil {
		return m, err
	}
	for range n {
		time.Sleep(idle)
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		began := time.Now()
		answer, err := post(one, h.base+"/api/v1/jobs/"+id+"/execute", nil)
		answered := time.Now()
		if err != nil {
			cancel()
			return m, err
		}
		f, err := h.followAnswer(one, answer)
		started, unheard := signal.wait(one)
		cancel()
		if err := errors.Join(err, unheard); err != nil {
			return m, err
		}
		m.add(began, started, answered, f.at)
	}
	return m, nil
}

func (m *moments) add(began, started, answered, done time.Time) {
	m.started = append(m.started, milliseconds(started.Sub(began)))
	m.answered = append(m.answered, milliseconds(answered.Sub(began)))
	m.done = append(m.done, milliseconds(done.Sub(began)))
}

// followAnswer follows the execution in an answer to its end.
func (h *hodei) followAnswer(ctx context.Context, answer []byte) (*follower, error) {
	var run struct {
		ExecutionID string `json:"execution_id"`
		Status      string `json:"status"`
	}
	if err := json.Unmarshal(answer, &run); err != nil {
		return nil, err
	}
	if run.Status != "RUNNING" {
		return nil, fmt.Errorf("an idle system answered %s", answer)
	}
	f := &follower{url: streamURL(h.base, run.ExecutionID)}
	return f, f.follow(ctx)
}

// release makes commands wait for a line that is written once a follower is
// open, and measures from that line to the follower's end, in milliseconds.
func (h *hodei) release(ctx context.Context, n int, signal, hold *fifo) (list []float64, err error) {
	body := execute("/bin/sh", "-c", "echo >"+signal.path+"; read word <"+hold.path)
	for range n {
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		f, resp, err := h.opened(one, body)
		if err != nil {
			return nil, err
		}
		if _, err := signal.wait(one); err != nil {
			return nil, err
		}
		time.Sleep(idle)
		began := time.Now()
		if err := errors.Join(hold.release(), f.read(one, resp)); err != nil {
			return nil, err
		}
		list = append(list, milliseconds(f.at.Sub(began)))
	}
	return list, nil
}

// latency submits commands to a peer, one at a time.
func (p peer) latency(ctx context.Context, b *bench, n int, signal *fifo, argv []string) (m moments, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	sys, done, err := b.startPeer(ctx, p)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, done()) }()
	n = max(n/p.part, 20)
	for i := range 10 + n {
		time.Sleep(idle)
		began := time.Now()
		id, err := sys.submit(ctx, argv...)
		answered := time.Now()
		if err != nil {
			return m, err
		}
		started, err := signal.wait(ctx)
		if err != nil {
			return m, err
		}
		for ended := false; !ended; {
			if ended, err = sys.recorded(ctx, id); err != nil {
				return m, err
			}
			if !ended {
				time.Sleep(time.Millisecond)
			}
		}
		if i >= 10 { // warm after that
			m.add(began, started, answered, time.Now())
		}
	}
	return m, nil
}

// drain discards signals of other samples.
func drain(f *fifo) {
	for {
		select {
		case <-f.written:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func scaled(values []float64, by float64) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		list[i] = v * by
	}
	return list
}
