package logchunk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/logchunk"
)

func TestPlainEndsBeforeEachSpecialByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		special := c < ' ' || c == '"' || c == '\\' || c > '~'+1
		for at := range 20 {
			text := []byte("twenty bytes of text")
			text[at] = byte(c)
			want := len(text)
			if special {
				want = at
			}
			require.Equal(t, want, logchunk.Plain(text), "%q", text)
		}
	}
	require.Zero(t, logchunk.Plain(nil))
}
