package token_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/token"
)

func TestNewIsParsed(t *testing.T) {
	form := regexp.MustCompile(`^hodei_[a-z]_[0-9A-Za-z]{49}$`)
	seen := map[token.Hash]bool{}
	for _, kind := range []token.Kind{token.Person, token.Session, token.Link} {
		for range 200 {
			text := token.New(kind)
			require.Regexp(t, form, text)
			got, hash, err := token.Parse(text)
			require.NoError(t, err)
			require.Equal(t, kind, got)
			require.False(t, seen[hash])
			seen[hash] = true
		}
	}
}

// One wrong character, two that are exchanged and a part of a token are detected, and the
// error does not repeat them.
func TestTyposAreDetected(t *testing.T) {
	text := token.New(token.Person)
	wrong := []string{"", "hodei_", text[1:], text[:len(text)-1], text + "0", strings.ToUpper(text), " " + text, strings.Repeat("x", len(text))}
	for i := range text {
		other := byte('a')
		if text[i] == other {
			other = 'b'
		}
		wrong = append(wrong, text[:i]+string(other)+text[i+1:])
		if i > 0 && text[i] != text[i-1] {
			wrong = append(wrong, text[:i-1]+string(text[i])+string(text[i-1])+text[i+1:])
		}
	}
	for _, bad := range wrong {
		_, _, err := token.Parse(bad)
		require.Error(t, err, bad)
		require.False(t, len(bad) > 20 && strings.Contains(err.Error(), bad[10:]))
	}
}

func BenchmarkParse(b *testing.B) {
	text := token.New(token.Person)
	for b.Loop() {
		if _, _, err := token.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
