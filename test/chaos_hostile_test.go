//go:build linux

package test

import (
	"context"
	"math/rand/v2"
	"time"
)

// abuse sends messages for a while that no program of Hodei would send and that
// must have no effect: see hostile.
func (w *arena) abuse(ctx context.Context, d time.Duration, seed uint64) {
	nc := w.connect()
	defer nc.Close()
	h, err := newHostile(nc, rand.New(rand.NewPCG(seed, 0)))
	if err != nil {
		w.flaw("", "the harness has no hostile messages: %v", err)
		return
	}
	h.mild, h.patience = true, 2*time.Second
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for ctx.Err() == nil {
		_, _, _ = h.attack() // a server that is down or slow does not answer
		pause(ctx, 2*time.Millisecond)
	}
}
