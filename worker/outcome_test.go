package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
)

func TestWhyACommandEnded(t *testing.T) {
	t.Parallel()
	killed, shell := exec.Exit{Signal: "SIGKILL"}, exec.Exit{Code: 137}
	memory := func(e exec.Exit) *exec.Exit { e.OutOfMemory = true; return &e }
	for name, test := range map[string]struct {
		over   over
		status hodei.ExecutionStatus
		reason hodei.Reason
	}{
		"completed":                     {over{exit: &exec.Exit{}}, hodei.Completed, ""},
		"exit code":                     {over{exit: &exec.Exit{Code: 3}}, hodei.Failed, hodei.ReasonExitCode},
		"killed by a signal":            {over{exit: &killed}, hodei.Failed, hodei.ReasonSignal},
		"a child killed by a signal":    {over{exit: &shell}, hodei.Failed, hodei.ReasonExitCode},
		"out of memory":                 {over{exit: memory(killed)}, hodei.Failed, hodei.ReasonOutOfMemory},
		"a child out of memory":         {over{exit: memory(shell)}, hodei.Failed, hodei.ReasonOutOfMemory},
		"killed by the fence":           {over{exit: &killed, late: true}, hodei.Failed, hodei.ReasonWorkerLost},
		"out of memory past the fence":  {over{exit: memory(killed), late: true}, hodei.Failed, hodei.ReasonWorkerLost},
		"ended by itself past it":       {over{exit: &exec.Exit{}, late: true}, hodei.Completed, ""},
		"cancelled while out of memory": {over{exit: memory(killed), why: hodei.ReasonCancelled}, hodei.Cancelled, hodei.ReasonCancelled},
		"timed out":                     {over{exit: &killed, why: hodei.ReasonTimeout}, hodei.TimedOut, hodei.ReasonTimeout},
		"exit not known":                {over{why: hodei.ReasonWorkerTerminated}, hodei.Failed, hodei.ReasonWorkerTerminated},
	} {
		test.over.at = time.Now()
		end := test.over.outcome()
		require.Equal(t, test.status, end.Status, name)
		require.Equal(t, test.over.at, end.CompletedAt, name)
		if test.reason == "" {
			require.Nil(t, end.Reason, name)
		} else {
			require.Equal(t, test.reason, *end.Reason, name)
		}
	}
}
