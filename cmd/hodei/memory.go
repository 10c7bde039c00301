package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// smallHeap is how much live memory still counts as little: then garbage is
	// collected before the process takes more than modest in all.
	smallHeap = 192 << 20
	modest    = 240 << 20
	// heapLook is how often the live memory is looked at.
	heapLook = 5 * time.Second
)

// keepModest has Go collect garbage earlier than at twice the live memory, as long
// as that is little: a flood of logs leaves much garbage, and everything on one
// machine must leave memory to the commands. It ends with ctx, and leaves alone a
// process whose GOMEMLIMIT or GOGC is set.
func keepModest(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetMemoryLimit(modest)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	look := time.NewTicker(heapLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		limit := int64(modest)
		if metrics.Read(live); live[0].Value.Uint64() > smallHeap {
			limit = math.MaxInt64 // the collector would do little else
		}
		debug.SetMemoryLimit(limit)
	}
}
