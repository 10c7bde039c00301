package main

import (
	"fmt"
	"slices"
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

// histogram shows how values are distributed, in a dozen classes of which the
// last holds what is beyond the 99th percentile.
func histogram(values []float64, what string) string {
	if len(values) == 0 {
		return ""
	}
	const classes = 12
	low, high := quantile(values, 0), quantile(values, 0.99)
	counts := make([]int, classes+1)
	for _, v := range values {
		i := classes
		if v <= high {
			i = min(classes-1, int((v-low)/(high-low)*classes))
		}
		counts[i]++
	}
	most := slices.Max(counts)
	var b strings.Builder
	for i, n := range counts {
		from := "beyond"
		if i < classes {
			from = number(low + float64(i)*(high-low)/classes)
		}
		fmt.Fprintf(&b, "  %8s │%-40s %d\n", from, strings.Repeat("█", (n*40+most-1)/most), n)
	}
	return b.String() + "           " + what
}
