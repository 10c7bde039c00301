package worker

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
)

func FuzzLinesAreEncodedAsEncodingJSONDoes(f *testing.F) {
	for _, line := range []string{"", "plain", `"quoted" \ <b>&`, "\x00\x1f\b\f\n\r\t\x7f", "ñ €  \u2028\u2029 😀", "\xff\xc3(", "�"} {
		f.Add([]byte(line), int64(1), true, int64(1))
	}
	f.Fuzz(func(t *testing.T, line []byte, sequence int64, partial bool, nanos int64) {
		sequence = max(sequence, 1)
		want := hodei.LogLine{
			Timestamp: time.Unix(1700000000, nanos%1e9).UTC(), Stream: hodei.Stderr,
			Line: string([]rune(string(line))), Sequence: sequence, Partial: partial,
		}
		var reference bytes.Buffer
		encoder := json.NewEncoder(&reference)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(want))

		head := appendHead(nil, want.Timestamp.AppendFormat(nil, time.RFC3339Nano), want.Stream)
		var sum hodei.Digest
		sum.Begin(nil)
		sum.Add(bytes.TrimSuffix(reference.Bytes(), []byte("\n")), nil)
		for _, flooded := range []bool{false, true} {
			j := &journal{count: sequence, head: head, end: packed.NewEnd(), flooded: flooded}
			j.digest.Begin(head)
			j.encode(line, partial)
			require.Equal(t, reference.String(), string(j.open.AppendTo(nil, sequence)))
			require.Equal(t, reference.Len(), j.openSize)
			require.Equal(t, sum.Sum, j.digest.Sum)
		}
		var decoded hodei.LogLine
		require.NoError(t, json.Unmarshal(reference.Bytes(), &decoded))
		require.Equal(t, want, decoded)
	})
}

func BenchmarkEncode(b *testing.B) {
	j := &journal{head: appendHead(nil, time.Now().UTC().AppendFormat(nil, time.RFC3339Nano), hodei.Stdout), end: packed.NewEnd()}
	line := []byte("2026-01-01 12:00:00 INFO  something happened: the quick brown fox jumps over 13 lazy dogs")
	for b.Loop() {
		j.count++
		j.open = j.open[:0]
		j.encode(line, false)
	}
}
