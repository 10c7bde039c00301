package main

import (
	"context"
	"errors"
	"fmt"
)

// scaleOut compares two instances of each service and four workers with one of
// each, with the same total of slots.
func scaleOut(ctx context.Context, b *bench) ([]row, error) {
	n := b.scale(5000, 1500)
	var s series
	for range b.turns {
		for _, c := range []struct {
			services, workers int
			to                *[]float64
		}{{1, 1, &s.limit}, {2, 4, &s.hodei}} {
			out, err := b.spreadLoad(ctx, n, c.services, c.workers)
			if err != nil {
				return nil, fmt.Errorf("%d of each service, %d workers: %w", c.services, c.workers, err)
			}
			*c.to = append(*c.to, float64(n)/out.took.Seconds())
		}
	}
	return []row{s.fill(row{Scenario: "scale out", What: fmt.Sprintf("%d × %s by REST, two of each service and four workers", n, program), Unit: "/s",
		AtLeast: 1, Aim: 1, Note: "the limit is one of each, every one a process, with as many slots in all"})}, nil
}

func (b *bench) spreadLoad(ctx context.Context, n, services, workers int) (out outcome, err error) {
	r, err := b.servers(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.spread(ctx, b, services, workers); err != nil {
		return out, err
	}
	return b.load(ctx, r.system, n, "rest")
}
