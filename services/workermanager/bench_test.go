package workermanager

import (
	"fmt"
	"testing"
)

// BenchmarkCheck checks the lines of a chunk.
func BenchmarkCheck(b *testing.B) {
	const lines = 800
	var ndjson []byte
	for n := range lines {
		ndjson = fmt.Appendf(ndjson, `{"timestamp":"2026-01-01T00:00:00.123456789Z","stream":"stdout","line":"   Compiling crate-%d v0.1.%d (/src/crates/crate-%d)","sequence":%d}`+"\n", n, n, n, n+1)
	}
	var c checker
	b.SetBytes(int64(len(ndjson)))
	for b.Loop() {
		if err := c.lines(ndjson, 1, lines); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
}
