package main

import (
	"fmt"
	"strings"
	"time"
)

// bars are the heights of one character.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// pacePlot shows how many executions ended in each twentieth of the time.
func pacePlot(ends []time.Time) string {
	if len(ends) == 0 {
		return ""
	}
	const parts = 60
	total := ends[len(ends)-1].Sub(time.Time{})
	counts := make([]float64, parts)
	for _, at := range ends {
		counts[min(parts-1, int(parts*at.Sub(time.Time{})/total))]++
	}
	most := 0.0
	for _, n := range counts {
		most = max(most, n)
	}
	return fmt.Sprintf("  %s  ends over %.1f s; the highest is %.0f/s", line(counts, most), total.Seconds(), most*parts/total.Seconds())
}

func line(values []float64, most float64) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteRune(bars[int(v/most*float64(len(bars)-1)+0.5)])
	}
	return b.String()
}
