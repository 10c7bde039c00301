package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
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
	var p50, p99, three series
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
		limits := scaled(limit.Samples, 1000)
		p50.hodei, p50.limit = append(p50.hodei, quantile(gaps, 0.5)), append(p50.limit, quantile(limits, 0.5))
		p99.hodei, p99.limit = append(p99.hodei, quantile(gaps, 0.99)), append(p99.limit, quantile(limits, 0.99))
		three.hodei = append(three.hodei, quantile(took, 0.5))
		for _, p := range b.peers {
			if p.name != "temporal" {
				continue
			}
			local, err := p.threes(ctx, b, n, false)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			recorded, err := p.threes(ctx, b, n, true)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			three.limit = append(three.limit, quantile(local, 0.5))
			three.peer("temporal, each activity recorded", quantile(recorded, 0.5))
		}
	}
	short := row{Scenario: "runs, three jobs", What: "request → run ended, 3 × " + program + " in series, p50", Unit: "ms", Lower: true}
	if len(three.limit) > 0 {
		short.AtLeast, short.Aim = 1.0/3, 1.0/6
		short.Note = "the limit is a Temporal workflow of three local activities, from its start until its client has the result. It records the three together, at the end; " +
			"Hodei records the start and the end of each, as Temporal does for activities that are not local"
	}
	what := fmt.Sprintf("end of a job → start of the next, %d jobs in series, ", inSeries)
	return []row{
		p50.fill(row{Scenario: "runs, step", What: what + "p50", Unit: "ms", Lower: true, AtLeast: 3, Aim: 2,
			Note: "the limit is two commits and a process start, in series, as for latency"}),
		p99.fill(row{Scenario: "runs, step", What: what + "p99", Unit: "ms", Lower: true, AtLeast: 6, Aim: 3}),
		three.fill(short),
	}, nil
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

// chainOf are n jobs, each of which needs the one before.
func chainOf(n int, argv ...string) map[string]any {
	jobs := map[string]any{}
	for i := range n {
		job := map[string]any{"command": argv}
		if i > 0 {
			job["needs"] = []string{fmt.Sprintf("j%d", i-1)}
		}
		jobs[fmt.Sprintf("j%d", i)] = job
	}
	return jobs
}

// layers are n times wide jobs: a first one, those that need it, and one that needs all
// of these and that the next first one needs.
func layers(n, wide int) map[string]any {
	jobs, last := map[string]any{}, []string{}
	add := func(key string, needs []string) {
		jobs[key] = map[string]any{"command": []string{program}, "needs": needs}
	}
	for layer := range n {
		first, end := fmt.Sprintf("first%d", layer), fmt.Sprintf("end%d", layer)
		add(first, last)
		var middle []string
		for i := range wide - 2 {
			key := fmt.Sprintf("j%d-%d", layer, i)
			add(key, []string{first})
			middle = append(middle, key)
		}
		add(end, middle)
		last = []string{end}
	}
	return jobs
}

// define applies a pipeline.
func (h system) define(ctx context.Context, slug string, jobs map[string]any) error {
	body, err := json.Marshal(map[string]any{"slug": slug, "jobs": jobs})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, h.bases[0]+"/api/v1/pipelines/"+slug, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		err = fmt.Errorf("apply %s: %s", slug, resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

// start requests a run.
func (h system) start(ctx context.Context, slug string) error {
	_, err := post(ctx, h.bases[0]+"/api/v1/pipelines/"+slug+"/execute", nil)
	return err
}

// runFeed receives the ends of runs.
type runFeed struct {
	nc   *nats.Conn
	seen chan runEnd
}

type runEnd struct {
	at time.Time
	ok bool
}

func followRuns(url string) (*runFeed, error) {
	nc, err := nats.Connect(url, nats.Name("bench"))
	if err != nil {
		return nil, err
	}
	f := &runFeed{nc: nc, seen: make(chan runEnd, 10_000)}
	_, err = nc.Subscribe(schemas.RunEventSubjects, func(m *nats.Msg) {
		var event struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(m.Data, &event) // anything else has no type
		switch event.Type {
		case schemas.EventRunCompleted:
			f.seen <- runEnd{time.Now(), true}
		case schemas.EventRunFailed, schemas.EventRunCancelled, schemas.EventRunTimedOut:
			f.seen <- runEnd{time.Now(), false}
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	return f, err
}

// wait waits until n runs have ended, and returns when the last one did.
func (f *runFeed) wait(ctx context.Context, n int) (at time.Time, err error) {
	for i := range n {
		select {
		case end := <-f.seen:
			if at = end.at; !end.ok {
				return at, errors.New("a run did not complete")
			}
		case <-ctx.Done():
			return at, fmt.Errorf("%d of %d runs ended: %w", i, n, ctx.Err())
		}
	}
	return at, nil
}
