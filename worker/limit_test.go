package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestTheLogLimitEndsTheLogNotTheCommand with incompressible output well beyond
// the limit.
func TestTheLogLimitEndsTheLogNotTheCommand(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	f := start(t, func(c *Config) { c.LogLimit = limit })
	end, lines := f.outcome(f.request(`head -c 20000000 /dev/urandom | base64; echo last >&2; exit 3`))
	require.Equal(t, 3, *end.ExitCode)
	recorded := 0
	for i, line := range lines[:len(lines)-2] {
		require.Equal(t, hodei.Stdout, line.Stream, "line %d", i)
		recorded += len(line.Line) + 1
	}
	require.LessOrEqual(t, recorded, limit)
	require.Greater(t, recorded, limit-100)
	notes := texts(lines, hodei.Stderr)
	require.Equal(t, "[hodei] the log limit of 1.0 MiB is reached: the rest of the output is not recorded, the command runs on; "+
		"raise it with --log-limit of the worker", notes[0])
	const printed = 350_878 // base64 writes 76 characters a line
	require.Equal(t, fmt.Sprintf("[hodei] %d lines of output (25 MiB) are not recorded, because of the log limit", printed+1-(len(lines)-2)), notes[1])
}

// TestTheLogLimitOfAnExecution is within that of its worker.
func TestTheLogLimitOfAnExecution(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.LogLimit = 20 })
	for _, test := range []struct {
		limit    int64
		recorded int
		raise    string
	}{{1, 0, "log_limit of the job"}, {10, 2, "log_limit of the job"}, {14, 2, "log_limit of the job"}, {1000, 4, "--log-limit of the worker"}} {
		req := f.request(`printf '1234\n1234\n1234\n1234\n1234\n'`)
		req.LogLimit = &test.limit
		_, lines := f.outcome(req)
		require.Len(t, texts(lines, hodei.Stdout), test.recorded)
		require.True(t, strings.HasSuffix(texts(lines, hodei.Stderr)[0], "raise it with "+test.raise))
	}
}
