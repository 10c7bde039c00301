package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// Where nobody sits before a terminal, what is watched is printed again only
// when it has changed.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out, errs := printing()
		ctx, cancel := context.WithCancel(t.Context())
		frames := []string{"one", "one", "two", "away", "back", "back"}
		looks := 0
		err := s.watch(ctx, func(s *session) error {
			frame := frames[looks]
			if looks++; looks == len(frames) {
				cancel()
			}
			if frame == "away" {
				return hodei.Errorf(hodei.Unavailable, "gone")
			}
			fmt.Fprintln(s.out, frame)
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, "one\ntwo\nback\n", out.String())
		require.Equal(t, "gone; trying again\n", errs.String())
	})
}

func TestWatchNeedsAnAnswerToBegin(t *testing.T) {
	s, _, _ := printing()
	gone := hodei.Errorf(hodei.Unavailable, "gone")
	require.ErrorIs(t, s.watch(t.Context(), func(*session) error { return gone }), gone)
	refused := errors.New("refused")
	require.ErrorIs(t, s.watch(t.Context(), func(*session) error { return refused }), refused)
}

func TestRepaint(t *testing.T) {
	require.Equal(t, "\x1b[?7l\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?7h", repaint("one\ntwo\n", 24, true))
	require.Equal(t, "\x1b[?7l\x1b[H1\x1b[K\n2\x1b[K\n…\x1b[K\n\x1b[J\x1b[?7h", repaint("1\n2\n3\n4\n", 4, false), "no more than fits")
}

func TestAsYAML(t *testing.T) {
	got, err := asYAML([]byte(`{"z":"yes","a":[1,{"b":null}],"text":"two\nlines","n":"12","e":{},"l":[],"f":1.5,"u":"ñ"}`))
	require.NoError(t, err)
	require.Equal(t, "z: \"yes\"\na:\n  - 1\n  - b: null\ntext: |-\n  two\n  lines\n\"n\": \"12\"\ne: {}\nl: []\nf: 1.5\nu: ñ\n", string(got))
}

func TestIDsOf(t *testing.T) {
	for body, want := range map[string]string{
		`{"items":[{"id":"a"},{"execution_id":"b","job_id":"x"}],"next_cursor":null}`: "a\nb\n",
		`{"id":"a","worker_id":"w"}`: "a\n",
		`{"worker_id":"w"}`:          "w\n",
		`{"items":[]}`:               "",
	} {
		got, err := idsOf([]byte(body))
		require.NoError(t, err)
		require.Equal(t, want, string(got), body)
	}
}
