package packed_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei/internal/packed"
)

// Whatever is said in runs is the NDJSON that it stands for, line by line, in one
// piece, and packed.
func TestRunsAreTheirNDJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines packed.Lines
		var ndjson strings.Builder
		var each []string
		first := rapid.SampledFrom([]int64{1, 8, 95, 99999, 1 << 40}).Draw(t, "first")
		at := first
		for range rapid.IntRange(1, 5).Draw(t, "runs") {
			head := rapid.SampledFrom([]string{`{"stream":"stdout","line":"`, `{"stream":"stderr","line":"`}).Draw(t, "head")
			lines = packed.AppendHead(lines, []byte(head))
			for range rapid.IntRange(1, 30).Draw(t, "lines") {
				text := rapid.StringMatching(`[ -!#-\[\]-~]{0,20}`).Draw(t, "text")
				line := head + text + `","sequence":` + strconv.FormatInt(at, 10)
				if rapid.Bool().Draw(t, "partial") {
					lines = append(lines, packed.Partial)
					line += `,"partial":true`
				}
				lines = append(append(lines, text...), '\n')
				each = append(each, line+"}")
				ndjson.WriteString(line + "}\n")
				at++
			}
		}
		require.Equal(t, ndjson.String(), string(lines.AppendTo(nil, first)))
		require.EqualValues(t, len(each), lines.Count())
		for _, form := range []packed.Lines{lines, packed.Lines(ndjson.String())} {
			sequence, size := first, 0
			for line := range form.All(first) {
				require.Equal(t, each[sequence-first], string(line.JSON()))
				require.Equal(t, sequence, line.Sequence)
				sequence, size = sequence+1, size+line.Size()
			}
			require.Equal(t, at, sequence)
			require.Equal(t, ndjson.Len(), size)
		}
		text := lines.Pack(first, ndjson.Len())
		require.Equal(t, text.Size > 0, ndjson.Len() >= 512, "few lines stay NDJSON")
		got, err := text.Unpack(first)
		require.NoError(t, err)
		require.Equal(t, ndjson.String(), string(got))
		got, err = text.AppendTo([]byte("before\n"), first)
		require.NoError(t, err)
		require.Equal(t, "before\n"+ndjson.String(), string(got))
	})
}

// TestRunsBeginOnce: who sums up what lines begin with has to do so for the first
// line of each run only.
func TestRunsBeginOnce(t *testing.T) {
	lines := packed.AppendHead(nil, []byte(`{"a`))
	lines = append(lines, "1\n2\n"...)
	lines = append(packed.AppendHead(lines, []byte(`{"b`)), "3\n"...)
	var begins []string
	for line := range lines.All(1) {
		if line.Begins {
			begins = append(begins, string(line.Head)+string(line.Text))
		}
	}
	require.Equal(t, []string{`{"a1`, `{"b3`}, begins)
	for line := range lines.All(7) {
		require.Equal(t, `{"a1","sequence":7}`, string(line.JSON()))
		break
	}
}

func TestRunsThatAreNotWhatIsSaidAreRefused(t *testing.T) {
	lines := packed.AppendHead(nil, []byte(`{"line":"`))
	for n := range 100 {
		lines = fmt.Appendf(lines, "compiled %d\n", n)
	}
	size := len(lines.AppendTo(nil, 1))
	text := lines.Pack(1, size)
	_, err := text.Unpack(1)
	require.NoError(t, err)
	_, err = text.Unpack(10)
	require.ErrorContains(t, err, "bytes, not", "other numbers are longer")
	text.Size++
	_, err = text.Unpack(1)
	require.ErrorContains(t, err, fmt.Sprintf("%d bytes, not %d", size, size+1))
	bomb := packed.AppendHead(nil, bytes.Repeat([]byte("{"), 500<<10))
	bomb = append(bomb, bytes.Repeat([]byte("\n"), 500<<10)...) // 250 GB of NDJSON
	_, err = bomb.Pack(1, 1<<20).Unpack(1)
	require.ErrorContains(t, err, "not 1048576")
	odd := append(packed.AppendHead(nil, []byte("\x01{")), "a\x01b\n\x02c\n"...)
	require.EqualValues(t, 2, odd.Count(), "as many as All gives")
	_, err = packed.Read(lines, "")
	require.ErrorContains(t, err, "lines in runs", "they come packed, or not at all")
}

func TestACounterCounts(t *testing.T) {
	c := packed.NewCounter("<", ">")
	require.Equal(t, "<0>", string(c.At(0)))
	for _, from := range []int64{0, 95, 100, 7, 998, 998, -12} {
		for n := from; n < from+25; n++ {
			require.Equal(t, fmt.Sprintf("<%d>", n), string(c.At(n)))
		}
		require.Equal(t, fmt.Sprintf("<%d>", from+24), string(c.At(from+24)), "and the same again")
	}
}
