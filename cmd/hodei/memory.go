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
	// smallHeap is the live memory up to which garbage is collected early,
	// before the process uses more than modest in total.
	smallHeap = 192 << 20
	modest    = 240 << 20
	// growth is how much the heap grows between two collections below that, in
	// percent of live memory. Twice Go's default takes an eighth from the processor
	// time of a flood of small executions, for 25 MB, and 10 MB when idle.
	growth = 200
	// heapLook is the interval of memory checks.
	heapLook = 5 * time.Second
	// quiet is the allocation between two checks of an idle process. worthwhile
	// is how much more than that is worth returning to the system.
	quiet      = 32 << 20
	worthwhile = 64 << 20
)

// keepModest makes Go collect garbage early once the process uses much memory of which
// little is live, and returns memory to the system after a flood: a flood of logs
// leaves much garbage, and Hodei must leave memory to the commands on the same
// machine. It runs until ctx is done. It does nothing if GOMEMLIMIT or GOGC is
// set.
func keepModest(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(growth)
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
			limit = math.MaxInt64 // otherwise the collector would run all the time
		}
		debug.SetMemoryLimit(limit)
		if allocated-before < quiet && held > live+worthwhile {
			debug.FreeOSMemory()
		}
		before = allocated
	}
}
