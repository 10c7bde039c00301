package worker

import (
	"os/exec"
	"testing"
)

// The cost of an execution compared with that of its process alone.
func BenchmarkRun(b *testing.B) {
	f := start(b, func(c *Config) { c.Reaper = []string{"/proc/self/exe", "reaper"} })
	for b.Loop() {
		f.outcome(f.request("/bin/true", "x"))
	}
}

func BenchmarkBareProcess(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// Lines from the pipe to the manager and back, in one log.
func BenchmarkLines(b *testing.B) {
	f := start(b)
	for b.Loop() {
		f.outcome(f.request("seq 1000000"))
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
