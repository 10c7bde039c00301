package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newStats() *cobra.Command {
	var window time.Duration
	cmd := p.listing(&cobra.Command{
		Use: "stats", Short: "Show how many executions ended lately, and how long they waited", Args: cobra.NoArgs,
		Annotations: map[string]string{"output": "table json yaml"},
		Long: `Show how many executions ended lately and how, how long they waited for a worker,
and how long they ran.`,
		Example: "  hodei stats\n  hodei stats --last 24h\n  hodei stats -o json",
	}, func(ctx context.Context, s *session, _ []string) error {
		req := schemas.GetStatsRequest{WindowSeconds: int(window.Seconds())}
		return ask(ctx, s, schemas.GetStats, req, s.showStats)
	})
	cmd.Flags().DurationVar(&window, "last", time.Hour, "how far back to look, from 1m to 24h")
	return cmd
}

func (s *session) showStats(stats hodei.Stats) error {
	of := func(q *hodei.Quantiles) string {
		if q == nil {
			return none
		}
		return fmt.Sprintf("%s median, 95%% within %s, at most %s", took(&q.P50), took(&q.P95), took(&q.Max))
	}
	ended := stats.Completed + stats.Failed + stats.Cancelled + stats.TimedOut
	return s.record(
		field{"Now", fmt.Sprintf("%d running, %d waiting", stats.Running, stats.Pending)},
		field{"Ended", fmt.Sprintf("%d in %s", ended, time.Duration(stats.WindowSeconds)*time.Second)},
		field{"  completed", strconv.Itoa(stats.Completed)}, field{"  failed", strconv.Itoa(stats.Failed)},
		field{"  cancelled", strconv.Itoa(stats.Cancelled)}, field{"  timed out", strconv.Itoa(stats.TimedOut)},
		field{"Waited", of(stats.QueuedSeconds)},
		field{"Ran", of(stats.DurationSeconds)},
	)
}
