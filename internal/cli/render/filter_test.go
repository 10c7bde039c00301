package render

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// filtered writes the pieces through the filter.
func filtered(t require.TestingT, pieces ...string) string {
	var out bytes.Buffer
	h := &Filter{to: &out}
	for _, p := range pieces {
		n, err := h.Write([]byte(p))
		require.NoError(t, err)
		require.Equal(t, len(p), n)
	}
	return out.String()
}

func TestHarmless(t *testing.T) {
	for name, c := range map[string][2]string{
		"text":                   {"naïve ▲ 日本\ttab\r\n", "naïve ▲ 日本\ttab\r\n"},
		"colours":                {"\x1b[1;38;2;1;2;3mred\x1b[0m \x1b[38:5:9mx\x1b[m", "\x1b[1;38;2;1;2;3mred\x1b[0m \x1b[38:5:9mx\x1b[m"},
		"clipboard":              {"a\x1b]52;c;cm0gLXJmIC8=\ab\x1b]52;c;cm0=\x1b\\c", "abc"},
		"title":                  {"a\x1b]0;owned\ab", "ab"},
		"link":                   {"\x1b]8;;http://bad\x1b\\good\x1b]8;;\x1b\\", "good"},
		"cursor and screen":      {"a\x1b[2J\x1b[1;1Hb\x1b[?1049hc\x1b[1A\x1b[Kd", "abcd"},
		"keyboard of the person": {"a\x1b[>4;2mb\x1b[?4mc\x1b[0 md", "abcd"},
		"question":               {"a\x1b[6n\x1b[c\x1bZ\x05b", "ab"},
		"DCS, APC, PM, SOS":      {"a\x1bPq#0\x1b\\b\x1b_G\x1b\\c\x1b^x\x1b\\d\x1bXy\x1b\\e", "abcde"},
		"reset and charset":      {"a\x1bcb\x1b(0c\x0ed\x0fe", "abcde"},
		"C1":                     {"a\u009b2Jb\u009d0;x\u009cc\u0085\x7f", `a\u009b2Jb\u009d0;x\u009cc\u0085\u007f`},
		"raw C1 bytes":           {"a\x9b2J", "a\ufffd2J"},
		"bell and backspace":     {"pass\b\b\b\bfail\a\v\f\x00", "passfail"},
		"direction":              {"a\u202egnp.exe\u2066", `a\u202egnp.exe\u2066`},
		"no end":                 {"a\x1b]0;title\nb\x1b[31\nc\x1b\nd\x1bP\ne", "a\nb\nc\nd\ne"},
		"escape in a string":     {"a\x1b]0;x\x1b[31mred", "a\x1b[31mred"},
		"text in a sequence":     {"a\x1b[3é", "aé"},
		"sequence in a sequence": {"\x1b\x1b[\x1b[32mg\x1b[3\x1b]0;x\a", "\x1b[32mg"},
		"too many parameters":    {"\x1b[" + strings.Repeat("1;", 100) + "mx", "x"},
		"cancelled":              {"\x1b]0;x\x18y\x1b]0;x\x1az", "yz"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c[1], filtered(t, c[0]))
			require.Equal(t, c[1], filtered(t, strings.Split(c[0], "")...), "rune by rune")
			var octets []string
			for i := range len(c[0]) {
				octets = append(octets, c[0][i:i+1])
			}
			require.Equal(t, c[1], filtered(t, octets...), "byte by byte")
		})
	}
}

var colour = regexp.MustCompile(`\x1b\[[0-9;:]*m`)

// TestHarmlessHoldsForAnything: whatever is written, and however it is cut, what
// comes out has no control but colours, tabs and the ends of lines, and is
// the same as without a cut.
func TestHarmlessHoldsForAnything(t *testing.T) {
	piece := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"\x1b", "[", "]", "P", "\\", "\a", "m", "31", ";", ":", "?", ">", " ", "52;c;", "\n", "\r", "\t", "\b", "\u009b", "\u009c", "\x9b", "é", "\xc3", "\x00", "\x18", "(", "K"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(piece).Draw(t, "pieces")
		whole := strings.Join(pieces, "") + "\n" // no part of a rune is left
		got := filtered(t, append(pieces, "\n")...)
		require.Equal(t, filtered(t, whole), got)
		for _, r := range colour.ReplaceAllString(got, "") {
			require.False(t, unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r), "%q in %q", r, got)
			require.False(t, turns(r), "%q in %q", r, got)
		}
		clean := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || turns(r) {
				return -1
			}
			return r
		}, whole)
		require.Equal(t, clean, filtered(t, clean), "text is left alone")
	})
}

func TestResetEndsAColour(t *testing.T) {
	for text, want := range map[string]string{"\x1b[31mred": "\x1b[0m", "\x1b[31mred\x1b[0m": "", "\x1b[31mred\x1b[m": "", "plain": ""} {
		var out bytes.Buffer
		h := &Filter{to: &out}
		_, err := h.Write([]byte(text))
		require.NoError(t, err)
		h.Reset()
		h.Reset()
		require.Equal(t, text+want, out.String())
	}
}
