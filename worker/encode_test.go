package worker

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func FuzzLinesAreEncodedAsEncodingJSONDoes(f *testing.F) {
	for _, line := range []string{"", "plain", `"quoted" \ <b>&`, "\x00\x1f\b\f\n\r\t\x7f", "ñ €  \u2028\u2029 😀", "\xff\xc3(", "�"} {
		f.Add([]byte(line), int64(1), true, int64(1))
	}
	f.Fuzz(func(t *testing.T, line []byte, sequence int64, partial bool, nanos int64) {
		want := hodei.LogLine{
			Timestamp: time.Unix(1700000000, nanos%1e9).UTC(), Stream: hodei.Stderr,
			Line: string([]rune(string(line))), Sequence: sequence, Partial: partial,
		}
		var reference bytes.Buffer
		encoder := json.NewEncoder(&reference)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(want))

		stamp := want.Timestamp.AppendFormat(nil, time.RFC3339Nano)
		got := appendLine(nil, appendHead(nil, stamp, want.Stream), line, sequence, partial)
		require.Equal(t, reference.String(), string(got)+"\n")
		var decoded hodei.LogLine
		require.NoError(t, json.Unmarshal(got, &decoded))
		require.Equal(t, want, decoded)
	})
}

func BenchmarkAppendLine(b *testing.B) {
	head := appendHead(nil, time.Now().UTC().AppendFormat(nil, time.RFC3339Nano), hodei.Stdout)
	line := []byte("2026-01-01 12:00:00 INFO  something happened: the quick brown fox jumps over 13 lazy dogs")
	var dst []byte
	for b.Loop() {
		dst = appendLine(dst[:0], head, line, 123456, false)
	}
}
