package render

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRepaint(t *testing.T) {
	require.Equal(t, "\x1b[?7l\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?7h", Repaint("one\ntwo\n", 24, true))
	require.Equal(t, "\x1b[?7l\x1b[H1\x1b[K\n2\x1b[K\n…\x1b[K\n\x1b[J\x1b[?7h", Repaint("1\n2\n3\n4\n", 4, false), "no more than fits")
}
