package hodei_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

var update = flag.Bool("update", false, "rewrite the generated files")

func TestTransitionsAreClosed(t *testing.T) {
	closed(t, hodei.PipelineTransitions)
	closed(t, hodei.ExecutionTransitions)
	closed(t, hodei.RunTransitions)
	closed(t, hodei.RunJobTransitions)
	closed(t, hodei.WorkerTransitions)
}

// closed verifies that a table has an entry for each state it leads to, and
// that its methods agree.
func closed[S ~string](t *testing.T, table hodei.Transitions[S]) {
	require.True(t, slices.IsSorted(table.States()))
	for _, from := range table.States() {
		require.Equal(t, len(table[from]) == 0, table.Final(from))
		for _, to := range table[from] {
			require.Contains(t, table, to)
			require.NotEqual(t, from, to, "a state that stays is no transition")
		}
		for _, to := range table.States() {
			require.Equal(t, table.Allows(from, to), slices.Contains(table.From(to), from), "%s to %s", from, to)
		}
	}
}

func TestExecutionEndsOnce(t *testing.T) {
	ended := []hodei.ExecutionStatus{hodei.Cancelled, hodei.Completed, hodei.Failed, hodei.TimedOut}
	for _, s := range hodei.ExecutionTransitions.States() {
		require.Equal(t, slices.Contains(ended, s), s.Ended(), s)
	}
	require.Equal(t, []hodei.ExecutionStatus{hodei.Running}, hodei.ExecutionTransitions.From(hodei.Completed))
	require.Equal(t, []hodei.ExecutionStatus{hodei.Pending, hodei.Running}, hodei.ExecutionTransitions.From(hodei.Cancelled))
	require.Equal(t, []hodei.ExecutionStatus{hodei.Pending}, hodei.ExecutionTransitions.From(hodei.Running))

	rapid.Check(t, func(t *rapid.T) { // an end can be reached from every state and is final
		at := hodei.Pending
		for step := 0; !at.Ended() && step < 50; step++ {
			at = rapid.SampledFrom(hodei.ExecutionTransitions[at]).Draw(t, "next")
			require.True(t, at.Ended() || slices.ContainsFunc(hodei.ExecutionTransitions[at], hodei.ExecutionStatus.Ended))
		}
		if at.Ended() {
			require.Empty(t, hodei.ExecutionTransitions[at])
		}
	})
}

func TestGoldenStates(t *testing.T) {
	const path = "docs/states.md"
	var b strings.Builder
	b.WriteString("# States\n\nWritten by `make generate` from the tables in `state.go`, which also guard every UPDATE. Anything not drawn here is\n" +
		"a 409 `CONFLICT`.\n")
	draw(&b, "Pipeline", hodei.PipelineTransitions, hodei.PipelineCreated)
	draw(&b, "Execution", hodei.ExecutionTransitions, hodei.Pending, hodei.Running)
	draw(&b, "Run", hodei.RunTransitions, hodei.RunPending, hodei.RunRunning)
	draw(&b, "Job in a run", hodei.RunJobTransitions, hodei.JobWaiting)
	draw(&b, "Notification", hodei.NotificationTransitions, hodei.NotificationPending, hodei.NotificationDelivered, hodei.NotificationFailed)
	draw(&b, "Fire of a schedule", hodei.FireTransitions, hodei.FireWaiting, hodei.FireStarted, hodei.FireSkipped)
	draw(&b, "Delivery of a hook", hodei.DeliveryTransitions, hodei.DeliveryPending, hodei.DeliveryBlocked, hodei.DeliveryIgnored, hodei.DeliveryRefused, hodei.DeliveryStarted)
	draw(&b, "Worker", hodei.WorkerTransitions, hodei.WorkerAvailable)
	b.WriteString("\nThe status of a job is that of its latest execution, `PENDING` before the first.\n")
	if *update {
		require.NoError(t, os.MkdirAll("docs", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err, "run: make generate")
	require.Equal(t, b.String(), string(got), "%s is stale; run: make generate", path)
}

// draw renders the table as a diagram and as a table.
func draw[S ~string](b *strings.Builder, noun string, table hodei.Transitions[S], first ...S) {
	fmt.Fprintf(b, "\n## %s\n\n```mermaid\nstateDiagram-v2\n", noun)
	for _, status := range first {
		fmt.Fprintf(b, "    [*] --> %s\n", status)
	}
	for _, from := range table.States() {
		for _, to := range table[from] {
			fmt.Fprintf(b, "    %s --> %s\n", from, to)
		}
		if table.Final(from) {
			fmt.Fprintf(b, "    %s --> [*]\n", from)
		}
	}
	b.WriteString("```\n\n| from | may become |\n|---|---|\n")
	for _, from := range table.States() {
		next := "nothing: it is final"
		if !table.Final(from) {
			next = "`" + strings.Join(text(table[from]), "` `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", from, next)
	}
}

func text[S ~string](states []S) (out []string) {
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}
