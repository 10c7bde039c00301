package hodei_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

func TestClip(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""}, {"abc", "abc"}, {"abcd", "abcd"}, {"abcde", "abc…"}, {"ñandú", "ñan…"}, {"ñand", "ñand"},
		{"a\xffb", "ab"}, {"ab\xff\xfef", "ab…"},
	} {
		require.Equal(t, c.want, hodei.Clip(c.text, 4), "%q", c.text)
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 20).Draw(t, "most")
		out := hodei.Clip(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")), most)
		require.True(t, utf8.ValidString(out) && utf8.RuneCountInString(out) <= most, "%q", out)
	})
}
