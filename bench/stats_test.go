package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	require.True(t, math.IsNaN(quantile(nil, 0.5)))
	require.Equal(t, 7.0, quantile([]float64{7}, 0.99))
	require.Equal(t, 2.5, quantile([]float64{4, 1, 3, 2}, 0.5))
	require.Equal(t, 4.0, quantile([]float64{4, 1, 3, 2}, 1))
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		lower    bool
		own, by  float64
		absolute bool
		want     string
	}{
		{false, 30, 100, false, "SHORT"}, {false, 40, 100, false, "reached"}, {false, 65, 100, false, "aim"},
		{true, 0.7, 1, false, "SHORT"}, {true, 0.5, 1, false, "aim"}, {true, 0.3, 9, true, "aim"}, {true, 9, 30, true, "SHORT"},
	} {
		s := series{hodei: []float64{c.own}, limit: []float64{c.by}}
		r := row{Lower: c.lower, Absolute: c.absolute, AtLeast: 0.4, Aim: 0.65}
		if c.lower {
			r.AtLeast, r.Aim = 0.65, 0.5
		}
		require.Equal(t, c.want, s.fill(r).verdict(), c)
	}
	require.Empty(t, row{Hodei: spreadOf([]float64{1})}.verdict(), "nothing is asked of it")
}
