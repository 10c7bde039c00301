package process

import (
	"os"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a shell command to its end.
func run(t *testing.T, h *Host, command string, signals ...syscall.Signal) *exec.Exit {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	read, ready, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	dir := t.TempDir()
	p := h.New(hodei.ExecutionID(uuid.New()))
	require.NoError(t, p.Start(exec.Command{
		Args: []string{"/bin/sh", "-c", command}, Dir: dir, Home: dir, Tmp: dir, Stdin: null, Stdout: ready, Stderr: null,
	}))
	ready.Close()
	for _, sig := range signals {
		_, err := read.Read(make([]byte, 1)) // the command is ready
		require.NoError(t, err)
		p.Signal(sig)
	}
	p.Wait()
	exit, err := p.Sweep(true)
	require.NoError(t, err)
	return exit
}

// TestASignalBeforeTheStartPreventsIt, and afterwards there is no process to signal.
func TestASignalBeforeTheStartPreventsIt(t *testing.T) {
	t.Parallel()
	p := NewHost("tag", &reaper.Keeper{}).New(hodei.ExecutionID(uuid.New()))
	p.Signal(syscall.SIGTERM)
	require.ErrorIs(t, p.Start(exec.Command{Args: []string{"/bin/true"}, Dir: "/"}), exec.ErrSignalled)
	p.Signal(syscall.SIGKILL)
}
