package worker

import (
	"bufio"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// An ended group is sent with the next line, or alone after a while; a reaper
// that starts in between does not receive it at all.
func TestTheReaperLearnsOfEndedGroupsLater(t *testing.T) {
	t.Parallel()
	var r reaper
	attach := func() func(want string) {
		in, pipe, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { in.Close(); pipe.Close() })
		require.NoError(t, in.SetReadDeadline(time.Now().Add(time.Minute)))
		r.attach(nil, pipe, orders{})
		lines := bufio.NewReader(in)
		orders, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, orders, "worker_id")
		return func(want string) {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, want+"\n", line)
		}
	}
	a, b := hodei.ExecutionID{1}, hodei.ExecutionID{2}
	r.remove(3) // before there is a reaper
	next := attach()
	r.add(7, a, nil)
	next("+ 7 " + a.String())
	r.remove(7)
	r.add(8, b, nil)
	next("- 7")
	next("+ 8 " + b.String())
	r.remove(8)
	next("- 8") // although no line follows
	r.add(9, a, nil)
	next("+ 9 " + a.String())
	r.remove(9)
	next = attach()
	r.touch(5)
	next("@ 5")
}
