package main

import (
	"context"
	"errors"
	"fmt"
)

// layout is a number of instances of each service and of workers.
type layout struct {
	what              string
	services, workers int
}

var layouts = []layout{{"one of each", 1, 1}, {"two of each, four workers", 2, 4}}

// scaleOut compares two instances of each service and four workers with one of
// each, with the same total of slots. It reports what an execution costs in both.
func scaleOut(ctx context.Context, b *bench) ([]row, error) {
	n := b.scale(5000, 1500)
	rates, cost := make([][]float64, len(layouts)), make([]costs, len(layouts))
	for range b.turns {
		for i, l := range layouts {
			out, err := b.spreadLoad(ctx, n, l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.what, err)
			}
			rates[i], cost[i] = append(rates[i], float64(n)/out.took.Seconds()), append(cost[i], out.cost)
		}
	}
	s := series{limit: rates[0], hodei: rates[1]}
	rows := []row{s.fill(row{Scenario: "scale out", What: fmt.Sprintf("%d × %s by REST, two of each service and four workers", n, program), Unit: "/s",
		AtLeast: 1, Aim: 1, Note: "the limit is one of each, every one a process, with as many slots in all"})}
	for i, l := range layouts {
		rows = append(rows, cost[i].rows(l.what)...)
	}
	return rows, nil
}

func (b *bench) spreadLoad(ctx context.Context, n int, l layout) (out outcome, err error) {
	r, err := b.servers(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.spread(ctx, b, l.services, l.workers); err != nil {
		return out, err
	}
	var before, after counters
	if err := r.commits(ctx, &before); err != nil {
		return out, err
	}
	if out, err = b.load(ctx, r.system, n, "rest"); err != nil {
		return out, err
	}
	if err := r.commits(ctx, &after); err != nil {
		return out, err
	}
	of := after.since(&before, n+slots) // with those that warm it up
	out.cost.commits, out.cost.wal, out.cost.syncs = of.commits, of.wal, of.syncs
	return out, nil
}
