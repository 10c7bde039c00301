package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// Without a terminal, --watch prints only changes.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out, errs := printing()
		ctx, cancel := context.WithCancel(t.Context())
		frames := []string{"one", "one", "two", "away", "back", "back"}
		looks := 0
		err := s.watch(ctx, func(s *Session) error {
			frame := frames[looks]
			if looks++; looks == len(frames) {
				cancel()
			}
			if frame == "away" {
				return hodei.Errorf(hodei.Unavailable, "gone")
			}
			fmt.Fprintln(s.Out, frame)
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
	require.ErrorIs(t, s.watch(t.Context(), func(*Session) error { return gone }), gone)
	refused := errors.New("refused")
	require.ErrorIs(t, s.watch(t.Context(), func(*Session) error { return refused }), refused)
}
