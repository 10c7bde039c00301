package worker

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei/internal/rpc"
)

// TestMain makes this binary a reaper or a worker when a test starts it as one,
// because a process to kill must be separate.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch log := slog.New(slog.NewTextHandler(os.Stderr, nil)); os.Args[1] {
		case "reaper":
			exit(Reap(context.Background(), os.Stdin, log))
		case "worker":
			exit(beWorker(os.Args[2], os.Args[3], log))
		}
	}
	goleak.VerifyTestMain(m)
}

func beWorker(url, dir string, log *slog.Logger) error {
	nc, err := rpc.Connect(url, "worker", log)
	if err != nil {
		return err
	}
	w, err := New(Config{
		NATS: nc, Type: "shell", Slots: 4, StateDir: dir, Reaper: []string{"/proc/self/exe", "reaper"}, Log: log,
	})
	if err != nil {
		return err
	}
	return w.Run(context.Background())
}

func exit(err error) {
	if err != nil {
		slog.Error("ended", "err", err)
		os.Exit(1)
	}
	os.Exit(0)
}
