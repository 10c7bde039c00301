package workermanager

import (
	"fmt"
	"testing"

	"github.com/hodei-jobs/hodei/internal/packed"
)

// BenchmarkCheck reads and checks chunks of a flood: in runs, as workers send them
// then, and as NDJSON.
func BenchmarkCheck(b *testing.B) {
	const lines = 2000
	runs := packed.AppendHead(nil, []byte(`{"timestamp":"2026-01-01T00:00:00.123456789Z","stream":"stdout","line":"`))
	for n := range lines {
		runs = fmt.Appendf(runs, "   Compiling crate-%d v0.1.%d (/work/crates/crate-%d)\n", n, n, n)
	}
	for name, text := range map[string]packed.Lines{"runs": runs, "ndjson": runs.AppendTo(nil, 1)} {
		b.Run(name, func(b *testing.B) {
			r := reader{check: newChecker()}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := r.digest(text, 1, lines, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}
