package fleet

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewStats returns `hodei stats`.
func NewStats(p *session.Flags) *cobra.Command {
	window := cmdline.Duration(time.Hour)
	cmd := p.Listing(&cobra.Command{
		Use: "stats", Short: "Show recently ended executions and how long they waited", Args: cobra.NoArgs,
		Annotations: map[string]string{"output": "table json yaml"},
		Long: `Show how many executions ended recently and with which outcome, how long they
waited for a worker, and how long they ran.`,
		Example: "  hodei stats\n  hodei stats --last 24h\n  hodei stats -o json",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		req := schemas.GetStatsRequest{WindowSeconds: int(window.Seconds())}
		return session.Ask(ctx, s, schemas.GetStats, req, func(stats hodei.Stats) error { return showStats(s, stats) })
	})
	cmd.Flags().Var(&window, "last", "how far back to look, from 1m to 1d")
	return cmd
}

func showStats(s *session.Session, stats hodei.Stats) error {
	of := func(q *hodei.Quantiles) string {
		if q == nil {
			return render.None
		}
		return fmt.Sprintf("p50 %s, p95 %s, max %s", render.Seconds(&q.P50), render.Seconds(&q.P95), render.Seconds(&q.Max))
	}
	ended := stats.Completed + stats.Failed + stats.Cancelled + stats.TimedOut
	return s.Record(
		render.Field{"Now", fmt.Sprintf("%d running, %d waiting", stats.Running, stats.Pending)},
		render.Field{"Ended", fmt.Sprintf("%d in %s", ended, time.Duration(stats.WindowSeconds)*time.Second)},
		render.Field{"  completed", strconv.Itoa(stats.Completed)}, render.Field{"  failed", strconv.Itoa(stats.Failed)},
		render.Field{"  cancelled", strconv.Itoa(stats.Cancelled)}, render.Field{"  timed out", strconv.Itoa(stats.TimedOut)},
		render.Field{"Waited", of(stats.QueuedSeconds)},
		render.Field{"Ran", of(stats.DurationSeconds)},
	)
}
