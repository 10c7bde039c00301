package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

const (
	program = "/bin/true"
	slots   = 32
)

// throughput runs a program many times: directly, by Hodei over REST and over
// NATS, and by each peer, in turns.
func throughput(ctx context.Context, b *bench) ([]row, error) {
	n := b.scale(5000, 1500)
	var rest, overNats, jobs series
	var pace []time.Time
	var used string
	var own series // processor time of an execution, in ms
	for turn := range b.turns {
		for _, way := range []struct {
			name string
			to   *series
		}{{"rest", &rest}, {"nats", &overNats}, {"job", &jobs}} {
			limit, err := b.limit(ctx, "-n", strconv.Itoa(n), "-parallel", strconv.Itoa(slots), "fork", program)
			if err != nil {
				return nil, err
			}
			run, err := b.submitted(ctx, n, way.name)
			if err != nil {
				return nil, fmt.Errorf("by %s: %w", way.name, err)
			}
			if way.name == "rest" {
				own.hodei = append(own.hodei, milliseconds(run.used.own)/float64(n))
				own.limit = append(own.limit, 1000*limit.Seconds*float64(runtime.NumCPU())/float64(n))
			}
			if pace == nil {
				pace, used = run.ends, run.used.share(run.took)
			}
			way.to.hodei = append(way.to.hodei, float64(n)/run.took.Seconds())
			way.to.limit = append(way.to.limit, float64(n)/limit.Seconds)
		}
		for _, p := range b.peers {
			rate, err := p.throughput(ctx, b, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			rest.peer(p.name, rate)
			overNats.peer(p.name, rate)
		}
		b.logf("turn %d of %d", turn+1, b.turns)
	}
	what := fmt.Sprintf("%d × %s, %d slots, %d submitters", n, program, slots, submitters)
	return []row{
		rest.fill(row{Scenario: "throughput REST", What: what, Unit: "/s", AtLeast: 0.40, Aim: 0.65,
			Note: "POST /execute, until all are recorded COMPLETED; " + used, Plot: pacePlot(pace)}),
		own.fill(row{Scenario: "cost of one", What: "processor time of hodei up, by REST, without Postgres and commands", Unit: "ms", Lower: true,
			AtLeast: 0.75, Aim: 0.5, Note: "the limit is the processor time of one bare fork, exec and wait"}),
		overNats.fill(row{Scenario: "throughput NATS", What: what, Unit: "/s", AtLeast: 0.50, Aim: 0.75,
			Note: "request of execute, one connection"}),
		jobs.fill(row{Scenario: "throughput REST, job", What: what, Unit: "/s",
			Note: "POST /jobs/{id}/execute, wait_seconds 0"}),
	}, nil
}

// outcome is one run of many executions.
type outcome struct {
	took time.Duration
	used usage
	cost *counters   // nil if the system counts nothing
	ends []time.Time // in ascending order, since the first submission
}

// submitted makes a fresh Hodei run n programs.
func (b *bench) submitted(ctx context.Context, n int, way string) (out outcome, err error) {
	h, done, err := b.fresh(ctx, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return b.load(ctx, h.system, n, way)
}

// load submits n programs to a running Hodei and waits for their ends.
func (b *bench) load(ctx context.Context, h system, n int, way string) (out outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	e, err := followEnds(h.nats, n)
	if err != nil {
		return out, err
	}
	defer e.nc.Close()
	submit, err := h.submitter(ctx, e.nc, way)
	if err != nil {
		return out, err
	}
	// Warm up pools and caches.
	if err := each(ctx, slots, submit); err != nil {
		return out, err
	}
	if _, err := e.wait(ctx, slots); err != nil {
		return out, err
	}
	before, err := recorded(ctx, h.database)
	if err != nil {
		return out, err
	}
	stopProfile := b.startProfile(ctx, h, "throughput-"+way)
	cost, err := h.count(ctx)
	if err != nil {
		return out, err
	}
	began, used := time.Now(), usageOf(h.pids...)
	failed := make(chan error, 1)
	go func() { failed <- each(ctx, n, submit) }()
	if out.ends, err = e.wait(ctx, n); err != nil {
		return out, errors.Join(err, errors.New(h.printed()))
	}
	out.took, out.used = out.ends[n-1].Sub(began), usageOf(h.pids...).since(used)
	if out.cost, err = h.count(ctx); err != nil {
		return out, err
	}
	out.cost = out.cost.since(cost, n)
	for i, at := range out.ends {
		out.ends[i] = time.Time{}.Add(at.Sub(began))
	}
	if err := errors.Join(<-failed, stopProfile()); err != nil {
		return out, err
	}
	after, err := recorded(ctx, h.database)
	if err == nil && after-before != int64(n) {
		err = fmt.Errorf("%d executions are recorded COMPLETED, %d were submitted", after-before, n)
	}
	return out, err
}

// submitter returns a function that runs the program in the given way.
func (h system) submitter(ctx context.Context, nc *nats.Conn, way string) (func(context.Context) error, error) {
	switch way {
	case "rest":
		var turn atomic.Int64
		var edges []func(context.Context) error
		for _, base := range h.bases {
			edges = append(edges, overREST(base, schemas.Execute.Path, execute(program)))
		}
		return func(ctx context.Context) error { return edges[int(turn.Add(1))%len(edges)](ctx) }, nil
	case "nats":
		return overNATS(nc, schemas.Execute.Subject, execute(program)), nil
	case "job":
		id, err := job(ctx, h.bases[0], program)
		return overREST(h.bases[0], "/jobs/"+id+"/execute", []byte(`{"wait_seconds":0}`)), err
	}
	return nil, fmt.Errorf("no way %q", way)
}

// recorded counts the COMPLETED executions in the record.
func recorded(ctx context.Context, database string) (n int64, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT count(*) FROM executions WHERE status = 'COMPLETED'`).Scan(&n)
	return n, err
}

// limitResult is the output of limit.
type limitResult struct {
	Seconds float64   `json:"seconds"`
	Samples []float64 `json:"samples"`
}

// limit runs the program of limits.
func (b *bench) limit(ctx context.Context, args ...string) (res limitResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.limits, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return res, fmt.Errorf("limit %v: %w", args, err)
	}
	return res, json.Unmarshal(out, &res)
}
