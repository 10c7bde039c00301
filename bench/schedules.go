package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// schedules measures how late two orchestrators start what 1000 schedules plan each
// minute, and what schedules that plan nothing cost.
func schedules(ctx context.Context, b *bench) ([]row, error) {
	const busy, quiet, minutes = 1000, 10_000, 2
	var late, all, idle series
	for range b.turns {
		r, err := b.planned(ctx)
		if err != nil {
			return nil, errors.Join(err, r.stop())
		}
		lateness, share, err := r.fireFor(ctx, busy, minutes)
		late.hodei, all.hodei = append(late.hodei, quantile(lateness, 0.99)), append(all.hodei, share)
		var none float64
		if err == nil {
			none, err = r.keepIdle(ctx, quiet)
		}
		idle.hodei = append(idle.hodei, none)
		if err := errors.Join(err, r.stop()); err != nil {
			return nil, err
		}
	}
	return []row{
		late.fill(row{Scenario: "schedules", What: fmt.Sprintf("planned time → run committed, %d schedules every minute, p99", busy), Unit: "ms", Lower: true,
			AtLeast: 250, Aim: 100, Note: "two orchestrators; each schedule starts a run; created one after the other over a minute"}),
		all.fill(row{Scenario: "schedules", What: "processor time of both orchestrators meanwhile", Unit: "% of a core", Lower: true, AtLeast: 15, Aim: 7}),
		idle.fill(row{Scenario: "schedules", What: fmt.Sprintf("the same with %d schedules of which none is due", quiet), Unit: "% of a core", Lower: true, AtLeast: 1, Aim: 0.5}),
	}, nil
}

// planned starts one of each role and a second orchestrator, and defines the pipelines of
// the schedules.
func (b *bench) planned(ctx context.Context) (*roles, error) {
	r, err := b.servers(ctx)
	if err != nil {
		return r, err
	}
	if err := r.spread(ctx, b, 1, 1); err != nil {
		return r, err
	}
	if _, err := r.add(ctx, b, "orchestrator"); err != nil {
		return r, err
	}
	for _, p := range r.procs {
		if p.name == "orchestrator" {
			r.pids = append(r.pids, p.cmd.Process.Pid)
		}
	}
	for i := range pipelinesOfSchedules {
		if err := r.define(ctx, slugOfSchedules(i), chainOf(1, program)); err != nil {
			return r, err
		}
	}
	return r, nil
}

const pipelinesOfSchedules = 100

func slugOfSchedules(i int) string { return "planned-" + strconv.Itoa(i%pipelinesOfSchedules) }

// plan creates schedules, spread over a time.
func (r *roles) plan(ctx context.Context, n int, over time.Duration, spec map[string]any) error {
	pace := time.NewTicker(max(1, over/time.Duration(n)))
	defer pace.Stop()
	for i := range n {
		<-pace.C
		spec["pipeline_id"] = slugOfSchedules(i)
		body, err := json.Marshal(spec)
		if err != nil {
			return err
		}
		if _, err := post(ctx, r.bases[0]+"/api/v1/schedules", body); err != nil {
			return err
		}
	}
	return nil
}

// fireFor has n schedules fire each minute, and returns how late each fire was, in
// milliseconds, and what the orchestrators used, in percent of one core.
func (r *roles) fireFor(ctx context.Context, n, minutes int) (late []float64, share float64, err error) {
	if err := r.plan(ctx, n, time.Minute, map[string]any{"every_seconds": 60}); err != nil {
		return nil, 0, err
	}
	used, began := usageOf(r.pids...), time.Now()
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-time.After(time.Duration(minutes) * time.Minute):
	}
	share = 100 * float64(usageOf(r.pids...).since(used).own) / float64(time.Since(began))
	db, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return nil, 0, err
	}
	defer db.Close(ctx)
	rows, err := db.Query(ctx, `SELECT 1000 * extract(epoch FROM decided_at - planned_at)::float8 FROM schedule_fires WHERE run_id IS NOT NULL`)
	if err != nil {
		return nil, 0, err
	}
	late, err = pgx.CollectRows(rows, pgx.RowTo[float64])
	if err == nil && len(late) < n*(minutes-1) {
		err = fmt.Errorf("%d fires of %d schedules in %d minutes", len(late), n, minutes)
	}
	return late, share, err
}

// keepIdle pauses all schedules, creates n that plan nothing before January, and returns
// what the orchestrators use then, in percent of one core.
func (r *roles) keepIdle(ctx context.Context, n int) (float64, error) {
	if _, err := post(ctx, r.bases[0]+"/api/v1/schedules/pause", nil); err != nil {
		return 0, err
	}
	if err := r.plan(ctx, n, 0, map[string]any{"cron": "0 0 1 1 *"}); err != nil {
		return 0, err
	}
	const long = 30 * time.Second
	used := usageOf(r.pids...)
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(long):
	}
	return 100 * float64(usageOf(r.pids...).since(used).own) / float64(long), nil
}
