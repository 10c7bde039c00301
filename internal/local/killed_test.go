package local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
)

// helperEnv makes the test binary a helper process that the test kills. It
// holds the directory with that name and a Postgres in it.
const helperEnv = "HODEI_LOCAL_TEST_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		help(dir)
	}
	os.Exit(m.Run())
}

// help starts Postgres, prints its URL and waits to be killed.
func help(dir string) {
	pg, err := local.StartPostgres(context.Background(), local.PostgresConfig{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(pg.URL())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test closes the other end
	os.Exit(0)
}

// startHelper returns the process and the URL of its Postgres.
func startHelper(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	cmd.Stderr = t.Output()
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "postgres://"), line)
	pid := postmaster(t, dir)
	t.Cleanup(func() { // it may still write to the directory that the test removes
		_ = cmd.Process.Kill()
		gone(t, pid)
	})
	return cmd, strings.TrimSpace(line)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}

// gone waits for the postmaster to end. A zombie counts as ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	}, time.Minute, 10*time.Millisecond, "postgres outlives the process that started it")
}

func TestPostgresGoesWithAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helper, at := startHelper(t, dir)
	query(t, at, "CREATE TABLE kept AS SELECT 'still here' AS word")
	pid := postmaster(t, dir)
	kill(t, helper)
	gone(t, pid)
	require.Equal(t, "still here", query(t, startPostgres(t, dir).URL(), "SELECT word FROM kept"))
}

func TestPostgresWaitsForTheOneBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helper, at := startHelper(t, dir)
	// Data for the last checkpoint to write, and a busy client.
	query(t, at, "CREATE TABLE kept AS SELECT i::text AS word FROM generate_series(1, 200000) i")
	conn, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE kept")
	require.NoError(t, err)
	kill(t, helper)
	require.Equal(t, "200000", query(t, startPostgres(t, dir).URL(), "SELECT count(*)::text FROM kept"))
}

func TestPostgresSurvivesThatBothAreKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helper, at := startHelper(t, dir)
	query(t, at, "CREATE TABLE kept AS SELECT 'still here' AS word")
	pid := postmaster(t, dir)
	// Stop the postmaster first: its orphaned children keep its memory
	// attached.
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	kill(t, helper)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Equal(t, "still here", query(t, startPostgres(t, dir).URL(), "SELECT word FROM kept"))
}

func TestLockNamesItsHolderAndEndsWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helper, _ := startHelper(t, dir)
	_, err := local.LockDir(dir)
	require.ErrorIs(t, err, hodei.Conflict)
	require.EqualError(t, err, fmt.Sprintf("directory %s is in use by process %d", dir, helper.Process.Pid))
	kill(t, helper)
	release, err := local.LockDir(dir)
	require.NoError(t, err)
	release()
	release, err = local.LockDir(dir)
	require.NoError(t, err, "a lock that was released can be taken")
	release()
}
