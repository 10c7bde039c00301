package main

import (
	"math"
	"slices"
	"time"
)

// spread is the result of repeated measurements.
type spread struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	All    []float64 `json:"all"` // in order of measurement
}

func spreadOf(values []float64) *spread {
	if len(values) == 0 {
		return nil
	}
	return &spread{Median: quantile(values, 0.5), Min: slices.Min(values), Max: slices.Max(values), All: values}
}

// quantile returns the value that the share q of the values does not exceed,
// interpolated.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// quotients divides each value by the one measured beside it.
func quotients(values, by []float64) []float64 {
	list := make([]float64, min(len(values), len(by)))
	for i := range list {
		list[i] = values[i] / by[i]
	}
	return list
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
