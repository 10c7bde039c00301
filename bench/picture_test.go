package main

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPictureIsWellFormed and shows every part of both layouts.
func TestPictureIsWellFormed(t *testing.T) {
	one := &counters{processor: map[string]float64{}, allocations: map[string]float64{"edge": 80}}
	for i, part := range costParts {
		one.processor[part] = float64(100 + i)
	}
	var r report
	require.Empty(t, r.picture())
	for _, l := range layouts {
		r.Rows = append(r.Rows, costs{one}.rows(l.what)...)
	}
	picture := r.picture()
	var drawn struct {
		Rects []struct{} `xml:"rect"`
	}
	require.NoError(t, xml.NewDecoder(strings.NewReader(picture)).Decode(&drawn))
	require.Len(t, drawn.Rects, len(layouts)*(1+len(costParts)))
	for _, part := range costParts {
		require.Contains(t, picture, part)
		require.Contains(t, costs{one}.table(), part)
	}
}
