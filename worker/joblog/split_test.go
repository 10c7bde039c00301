package joblog

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

type piece struct {
	line    string
	partial bool
}

// split feeds the writes one by one.
func split(writes ...string) []piece {
	pieces := []piece{}
	s := splitter{emit: func(line []byte, partial bool) { pieces = append(pieces, piece{string(line), partial}) }}
	for _, w := range writes {
		s.write([]byte(w))
	}
	s.close()
	return pieces
}

func TestLinesAreSplit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", hodei.MaxLine)
	half := strings.Repeat("x", hodei.MaxLine-1)
	tests := map[string]struct {
		in   []string
		want []piece
	}{
		"nothing":                       {nil, []piece{}},
		"one line":                      {[]string{"a\n"}, []piece{{"a", false}}},
		"no newline at the end":         {[]string{"a\nb"}, []piece{{"a", false}, {"b", false}}},
		"empty lines are lines":         {[]string{"\n\na\n\n"}, []piece{{"", false}, {"", false}, {"a", false}, {"", false}}},
		"carriage return and newline":   {[]string{"a\r\nb\r\n"}, []piece{{"a", false}, {"b", false}}},
		"the two in different reads":    {[]string{"a\r", "\nb"}, []piece{{"a", false}, {"b", false}}},
		"only the last return is taken": {[]string{"a\r\r\n"}, []piece{{"a\r", false}}},
		"a progress bar is one line":    {[]string{"10%\r", "20%\r", "done\n"}, []piece{{"10%\r20%\rdone", false}}},
		"a lone return at the end":      {[]string{"a\r"}, []piece{{"a\r", false}}},
		"a line in many reads":          {[]string{"a", "b", "c\nd", "e\n"}, []piece{{"abc", false}, {"de", false}}},
		"a rune in two reads":           {[]string{"\xe2\x82", "\xac\n"}, []piece{{"€", false}}},
		"the longest line":              {[]string{long + "\n"}, []piece{{long, false}}},
		"the longest line with return":  {[]string{long, "\r", "\n"}, []piece{{long, false}}},
		"one byte more":                 {[]string{long + "y\n"}, []piece{{long, true}, {"y", false}}},
		"long without an end":           {[]string{long + long}, []piece{{long, true}, {long, false}}},
		"three pieces":                  {[]string{long, long, "z\n"}, []piece{{long, true}, {long, true}, {"z", false}}},
		"a rune is not cut":             {[]string{half + "€\n"}, []piece{{half, true}, {"€", false}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, split(test.in...)) })
	}
}

func FuzzSplitLosesNothing(f *testing.F) {
	f.Add([]byte("a\nb\r\nc\rd"), 3, 10)
	f.Add([]byte("€\xff\xfe"), 1, 40000)
	f.Fuzz(func(t *testing.T, text []byte, step, times int) {
		text = bytes.Repeat(text, 1+max(times, 0)%(1+(100<<10)/(1+len(text))))
		step = 1 + max(step, 0)%len(append(text, 0))
		var writes []string
		for rest := text; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			writes = append(writes, string(rest[:min(step, len(rest))]))
		}
		got := split(writes...)
		require.Equal(t, split(string(text)), got, "where the reads end does not matter")
		var joined strings.Builder
		for _, p := range got {
			require.LessOrEqual(t, len(string([]rune(p.line))), hodei.MaxLine)
			if p.partial {
				require.NotEmpty(t, p.line)
			}
			if utf8.Valid(text) {
				require.True(t, utf8.ValidString(p.line))
			}
			joined.WriteString(p.line)
			if !p.partial {
				joined.WriteByte('\n')
			}
		}
		want := strings.ReplaceAll(string(text), "\r\n", "\n")
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		require.Equal(t, want, joined.String())
	})
}
