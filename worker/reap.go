package worker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/worker/reaper"
)

// Reap is the body of the process named in Config.Reaper; see reaper.Run. The reaper
// reads in, its standard input, and kills what the worker ran if the worker is killed.
// The options are those that the worker's connection to NATS needs.
func Reap(ctx context.Context, in *os.File, log *slog.Logger, opts ...nats.Option) error {
	return reaper.Run(ctx, in, log, opts...)
}

// keepReaper keeps a reaper beside the worker until ctx is done. It calls begun once
// the first reaper has its orders or could not be started.
func (w *Worker) keepReaper(ctx context.Context, begun func()) {
	w.reaper.Keep(ctx, reaper.Config{
		Command: w.cfg.Reaper, LogFile: filepath.Join(w.state.dir, "reaper.log"), Log: w.log,
		Orders: reaper.Orders{
			NATS: strings.Join(w.cfg.NATS.Opts.Servers, ","), WorkerID: w.id, Incarnation: w.incarnation, Tag: w.tag, Secrets: w.secretsDir(),
		},
	}, begun)
}
