package cmdline

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// Every code has an exit status, and only an internal error that of a failure.
func TestExitCode(t *testing.T) {
	want := map[hodei.Code]int{
		hodei.Internal: 1, hodei.NotFound: 3, hodei.Unavailable: 5, hodei.Timeout: 5,
		hodei.Invalid: 4, hodei.Unauthenticated: 4, hodei.Forbidden: 4, hodei.MethodNotAllowed: 4, hodei.Conflict: 4, hodei.TooLarge: 4,
		hodei.UnsupportedMedia: 4, hodei.Misdirected: 4, hodei.Rejected: 4, hodei.RateLimited: 4,
	}
	for code := range hodei.Codes {
		require.Equal(t, want[code], ExitCode(fmt.Errorf("ask: %w", hodei.Errorf(code, "so it is"))), code)
	}
	require.Equal(t, 1, ExitCode(errors.New("no code")))
	require.Equal(t, 1, ExitCode(hodei.Errorf("FROM_LATER", "a code that this program does not know")))
	require.Equal(t, 2, ExitCode(Usagef("flag: %w", hodei.Errorf(hodei.NotFound, "not found"))))
}
