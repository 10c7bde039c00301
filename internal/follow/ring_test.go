package follow

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei/internal/logchunk"
)

func numbered(first, last int64) []byte {
	var b strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, `{"line":"%030d","sequence":%d}`+"\n", n, n)
	}
	return []byte(b.String())
}

// compressed makes a frame of lines that are too few for logchunk.Compress.
func compressed(first, last int64) logchunk.Body {
	ndjson := numbered(first, last)
	return logchunk.Body{Lines: encoder.EncodeAll(ndjson, nil), Size: len(ndjson)}
}

var encoder, _ = zstd.NewWriter(nil) // the options are valid

// For chunks in any order, compressed or not, a read returns consecutive lines
// from the requested one, all known lines are found while there is room, and
// the size limit holds.
func TestRing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := ring{limit: rapid.SampledFrom([]int{2500, math.MaxInt}).Draw(t, "limit")}
		known := map[int64]bool{}
		var buf []byte
		for range rapid.IntRange(1, 40).Draw(t, "chunks") {
			first := rapid.Int64Range(1, 60).Draw(t, "first")
			last := first + rapid.Int64Range(0, 15).Draw(t, "more")
			body := logchunk.Body{Lines: numbered(first, last)}
			if rapid.Bool().Draw(t, "compressed") {
				body = compressed(first, last)
			}
			r.add(newChunk(first, last, body))
			for n := first; n <= last; n++ {
				known[n] = true
			}
			size := 0
			for i, c := range r.chunks {
				b, err := newBatch([]chunk{c}, &buf)
				require.NoError(t, err)
				require.Equal(t, string(numbered(c.first, c.last)), string(b.Lines))
				require.True(t, i == 0 || r.chunks[i-1].last < c.first)
				size += len(c.body.Lines) + overhead
			}
			require.Equal(t, size, r.bytes)
			require.True(t, r.bytes <= r.limit || len(r.chunks) == 1)
		}
		for n := int64(1); n <= 80; n++ {
			upTo := rapid.Int64Range(n, 80).Draw(t, "up to")
			run := r.read(n, upTo)
			if r.limit == math.MaxInt {
				require.Equal(t, known[n], len(run) > 0)
			}
			if len(run) == 0 {
				continue
			}
			b, err := newBatch(run, &buf)
			require.NoError(t, err)
			require.Equal(t, n, b.First)
			require.LessOrEqual(t, b.Last, upTo)
			require.Equal(t, string(numbered(b.First, b.Last)), string(b.Lines))
			require.GreaterOrEqual(t, r.reach(n-1), b.Last)
		}
	})
}

// A batch ends before a damaged chunk, and a removed chunk is not read again.
func TestADamagedChunkIsNotRead(t *testing.T) {
	t.Parallel()
	good, bad := compressed(1, 20), compressed(21, 40)
	bad.Lines = bad.Lines[:len(bad.Lines)/2]
	r := ring{limit: math.MaxInt}
	r.add(newChunk(1, 20, good))
	r.add(newChunk(21, 40, bad))
	r.add(newChunk(41, 60, compressed(41, 59))) // one line short
	b, err := newBatch(r.read(5, math.MaxInt64), new([]byte))
	require.NoError(t, err)
	require.Equal(t, string(numbered(5, 20)), string(b.Lines))
	_, err = newBatch(r.read(21, math.MaxInt64), new([]byte))
	require.ErrorContains(t, err, "lines 21 to 40")
	r.lose(30)
	require.Empty(t, r.read(21, math.MaxInt64))
	_, err = newBatch(r.read(41, math.MaxInt64), new([]byte))
	require.ErrorContains(t, err, "19 lines, not 20")
	r.add(newChunk(61, 80, logchunk.Body{Lines: numbered(61, 79)}))
	_, err = newBatch(r.read(61, math.MaxInt64), new([]byte))
	require.ErrorContains(t, err, "19 lines, not 20")
}
