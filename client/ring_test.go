package client

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func numbered(first, last int64) []byte {
	var b strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, "%d\n", n)
	}
	return []byte(b.String())
}

// Whatever comes in whatever order, a read gives consecutive lines from where
// it was asked to, all that is known is found while there is room, and the
// size is kept.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ring{limit: rapid.SampledFrom([]int{600, math.MaxInt}).Draw(t, "limit")}
		known := map[int64]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "chunks") {
			first := rapid.Int64Range(1, 60).Draw(t, "first")
			last := first + rapid.Int64Range(0, 15).Draw(t, "more")
			r.add(chunk{first: first, last: last, lines: numbered(first, last)})
			for n := first; n <= last; n++ {
				known[n] = true
			}
			size := 0
			for i, c := range r.chunks {
				require.Equal(t, string(numbered(c.first, c.last)), string(c.lines))
				require.True(t, i == 0 || r.chunks[i-1].last < c.first)
				size += len(c.lines) + overhead
			}
			require.Equal(t, size, r.bytes)
			require.True(t, r.bytes <= r.limit || len(r.chunks) == 1)
		}
		for n := int64(1); n <= 80; n++ {
			upTo := rapid.Int64Range(n, 80).Draw(t, "up to")
			c, ok := r.read(n, upTo)
			if r.limit == math.MaxInt {
				require.Equal(t, known[n], ok)
			}
			if !ok {
				continue
			}
			require.Equal(t, n, c.first)
			require.LessOrEqual(t, c.last, upTo)
			require.Equal(t, string(numbered(c.first, c.last)), string(c.lines))
			require.GreaterOrEqual(t, r.reach(n-1), c.last)
		}
	})
}
