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
	// heapLook is how often the memory is looked at.
	heapLook = 5 * time.Second
	// quiet is how much is allocated between two looks when nothing is going on, and
	// worthwhile how much more than that may then be given back to the system.
	quiet      = 32 << 20
	worthwhile = 64 << 20
)

// keepModest has Go collect garbage earlier than at twice the live memory, as long
// as that is little, and give memory back once a flood is over: a flood of logs
// leaves much garbage, and everything on one machine must leave memory to the
// commands. It ends with ctx, and leaves alone a process whose GOMEMLIMIT or GOGC is
// set.
func keepModest(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetMemoryLimit(modest)
	now := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	look := time.NewTicker(heapLook)
	defer look.Stop()
	for before := uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		metrics.Read(now)
		live, allocated, held := now[0].Value.Uint64(), now[1].Value.Uint64(), now[2].Value.Uint64()-now[3].Value.Uint64()
		limit := int64(modest)
		if live > smallHeap {
			limit = math.MaxInt64 // the collector would do little else
		}
		debug.SetMemoryLimit(limit)
		if allocated-before < quiet && held > live+worthwhile {
			debug.FreeOSMemory()
		}
		before = allocated
	}
}
