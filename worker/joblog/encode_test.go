package joblog

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
		sequence = max(sequence, 1)
		want := hodei.LogLine{
			Timestamp: time.Unix(1700000000, nanos%1e9).UTC(), Stream: hodei.Stderr,
			Line: string([]rune(string(line))), Sequence: sequence, Partial: partial,
		}
		var reference bytes.Buffer
		encoder := json.NewEncoder(&reference)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(want))

		got := appendTail(appendText(appendHead(nil, want.Timestamp, want.Stream), line), sequence, partial)
		require.Equal(t, reference.String(), string(got))
		var decoded hodei.LogLine
		require.NoError(t, json.Unmarshal(reference.Bytes(), &decoded))
		require.Equal(t, want, decoded)
	})
}

func BenchmarkEncode(b *testing.B) {
	head := appendHead(nil, time.Now(), hodei.Stdout)
	line := []byte("2026-01-01 12:00:00 INFO  something happened: the quick brown fox jumps over 13 lazy dogs")
	var out []byte
	sequence := int64(0)
	for b.Loop() {
		sequence++
		out = appendTail(appendText(append(out[:0], head...), line), sequence, false)
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	line := hodei.LogLine{Timestamp: time.Now(), Stream: hodei.Stdout, Line: "2026-01-01 12:00:00 INFO  something happened: the quick brown fox jumps over 13 lazy dogs"}
	for b.Loop() {
		line.Sequence++
		if _, err := json.Marshal(line); err != nil {
			b.Fatal(err)
		}
	}
}
