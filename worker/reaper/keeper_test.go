package reaper

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// TestMain makes this binary a reaper when a test starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "reaper" {
		if err := Run(context.Background(), os.Stdin, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
			slog.Error("reaper ended", "err", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A group that is gone is sent with the next line, or alone when none comes; a reaper
// that starts meanwhile does not receive it at all.
func TestRemovedGroupsAreSentWithTheNextLine(t *testing.T) {
	t.Parallel()
	var k Keeper
	attach := func() func(want string) {
		in, pipe, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { in.Close(); pipe.Close() })
		require.NoError(t, in.SetReadDeadline(time.Now().Add(time.Minute)))
		k.attach(nil, pipe, Orders{})
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
	k.Remove(3) // before there is a reaper
	next := attach()
	k.Add(7, a, 0)
	next("+ 7 " + a.String())
	k.Remove(7)
	k.Add(8, b, time.Second)
	next("- 7")
	next("+ 8 " + b.String() + " 1000000000")
	k.Remove(8)
	next("- 8") // although nothing follows
	k.Add(9, a, 0)
	next("+ 9 " + a.String())
	k.Remove(9)
	require.Zero(t, k.Len())
	next = attach()
	k.Touch(5)
	next("@ 5")
}

// TestASecondReaperReceivesEverything: the first one is killed, and then the worker's
// end of the pipe closes, as if the worker had been killed.
func TestASecondReaperReceivesEverything(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	left := make(chan schemas.LeaveRequest, 1)
	logFile := filepath.Join(t.TempDir(), "log")
	svc := rpc.New(rpc.Config{NATS: nc, Name: schemas.WorkerManager, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.LeaveWorker, func(_ context.Context, req schemas.LeaveRequest) (schemas.Empty, error) {
		select {
		case left <- req:
		default: // a repetition
		}
		return schemas.Empty{}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	running.Go(func() { _ = svc.Run(ctx) })
	<-svc.Ready()

	var k Keeper
	worker := hodei.WorkerID(uuid.Must(uuid.NewV7()))
	begun := make(chan struct{})
	running.Go(func() {
		k.Keep(ctx, Config{
			Command: []string{"/proc/self/exe", "reaper"}, LogFile: logFile, Log: localtest.Log(t),
			Orders: Orders{NATS: nc.Opts.Servers[0], WorkerID: worker, Incarnation: "one", Tag: "tag of " + worker.String()},
		}, sync.OnceFunc(func() { close(begun) }))
	})
	<-begun
	id := hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	inGroup := command(t, func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} })
	outside := command(t, func(cmd *exec.Cmd) { cmd.Env = mark.Execution("tag of "+worker.String(), id) })
	other := command(t, func(cmd *exec.Cmd) { cmd.Env = mark.Execution("another tag", id) })
	k.Add(inGroup.Process.Pid, id, 0)

	alive := func() (pid int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.pipe != nil {
			pid = k.proc.Pid
		}
		return pid
	}
	first := alive()
	require.NotZero(t, first)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool { return alive() != 0 && alive() != first }, time.Minute, time.Millisecond)

	k.mu.Lock()
	require.NoError(t, k.pipe.Close())
	k.pipe = nil
	k.mu.Unlock()
	for _, cmd := range []*exec.Cmd{inGroup, outside} {
		requireKilled(t, cmd)
	}
	select {
	case req := <-left:
		require.Equal(t, schemas.LeaveRequest{WorkerID: worker, Incarnation: "one", Killed: true}, req)
	case <-time.After(time.Minute):
		require.Fail(t, "not reported")
	}
	require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the command of another worker runs on")
}

// command starts a command that runs until it is killed.
func command(t *testing.T, change func(*exec.Cmd)) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	change(cmd)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func requireKilled(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit), "%v", err)
		require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal())
	case <-time.After(time.Minute):
		require.Fail(t, "still runs")
	}
}
