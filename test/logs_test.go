package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestHundredThousandLines arrive in order, once each, in Postgres and at a
// follower that joins in the middle.
func TestHundredThousandLines(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	s := up(t, "--database-url", database)
	gate := filepath.Join(t.TempDir(), "gate")
	// Half the lines come first; the rest waits for a follower.
	id := s.execute(fmt.Sprintf("seq 1 50000; until [ -e %s ]; do sleep 0.05; done; seq 50001 100000", gate))
	eventually(t, "the first half is recorded", time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
		return e["log_count"] == 50000.0
	})
	next := 0
	for e := range s.follow(id, "tail=10&follow=true") {
		if e.kind == "done" {
			require.Equal(t, 100000.0, e.data["log_count"])
			break
		}
		n, err := strconv.Atoi(e.data["line"].(string))
		require.NoError(t, err)
		if next == 0 {
			require.Equal(t, 49991, n, "ten lines before the middle")
			require.NoError(t, os.WriteFile(gate, nil, 0o644))
		} else {
			require.Equal(t, next, n, "a gap or a double")
		}
		require.Equal(t, strconv.Itoa(n), e.id)
		next = n + 1
	}
	require.Equal(t, 100001, next)
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
	requireRecorded(t, database, id, 100000)
}

// requireRecorded reads the log from Postgres: lines 1 to n of `seq`.
func requireRecorded(t testing.TB, database, id string, n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT first_sequence, last_sequence, lines, size FROM execution_logs
		WHERE execution_id = $1::text::uuid ORDER BY first_sequence`, strings.TrimPrefix(id, "exec_"))
	require.NoError(t, err)
	at := 0
	for rows.Next() {
		var first, last int
		var frame []byte
		var size int
		require.NoError(t, rows.Scan(&first, &last, &frame, &size))
		require.Equal(t, at+1, first)
		for line := range strings.Lines(string(decompressed(t, frame, size))) {
			at++
			require.Contains(t, line, fmt.Sprintf(`"line":"%d","sequence":%d`, at, at))
		}
		require.Equal(t, last, at)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, n, at)
}

// decompressed reads the lines of a chunk as docs/nats.md describes it: NDJSON, or a zstd
// frame of size bytes of it unless size is 0.
func decompressed(t testing.TB, kept []byte, size int) []byte {
	t.Helper()
	if size == 0 {
		return kept
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	require.NoError(t, err)
	defer d.Close()
	lines, err := d.DecodeAll(kept, nil)
	require.NoError(t, err)
	require.Len(t, lines, size)
	return lines
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	s := up(t)
	id := s.execute("seq 1 20")
	require.Equal(t, 20.0, s.ended(id)["log_count"])

	lines, end := s.lines(id, "tail=5")
	require.Equal(t, []string{"16", "17", "18", "19", "20"}, lines)
	require.Equal(t, 20.0, end.data["log_count"])
	lines, _ = s.lines(id, "tail=0")
	require.Empty(t, lines)
	lines, _ = s.lines(id, "tail=all")
	require.Len(t, lines, 20)
	lines, _ = s.lines(id, "since=1h&until=0s")
	require.Len(t, lines, 20)
	lines, _ = s.lines(id, "until=1h")
	require.Empty(t, lines)
	for e := range s.follow(id, "timestamps=false&tail=1") {
		if e.kind == "" {
			require.NotContains(t, e.data, "timestamp")
			require.Equal(t, "20", e.id)
		}
	}
	var resumed []string
	for e := range s.stream(s.workerManager+"/executions/"+id+"/logs/stream?tail=1", "17") {
		if e.kind == "" {
			resumed = append(resumed, e.id)
		}
	}
	require.Equal(t, []string{"18", "19", "20"}, resumed, "Last-Event-ID wins over tail")

	both := s.execute("echo out; echo err >&2")
	s.ended(both)
	lines, _ = s.lines(both, "stream=stderr")
	require.Equal(t, []string{"err"}, lines)

	_, raw, _ := request(t, "GET", s.workerManager+"/executions/"+id+"/logs?tail=2", "", http.Header{"Accept": {"text/plain"}})
	require.Equal(t, "19\n20\n", string(raw))
	status, page := callAccepting(t, s.workerManager+"/executions/"+id+"/logs?limit=15", "application/json")
	require.Equal(t, 200, status)
	require.Len(t, page["items"], 15)
	_, page = callAccepting(t, s.workerManager+"/executions/"+id+"/logs?cursor="+page["next_cursor"].(string), "application/json")
	require.Len(t, page["items"], 5)
	require.Nil(t, page["next_cursor"])
}

func callAccepting(t testing.TB, url, accept string) (int, object) {
	t.Helper()
	status, raw, _ := request(t, "GET", url, "", http.Header{"Accept": {accept}})
	return status, decode(t, raw)
}

// TestOutput checks how output becomes lines.
func TestOutput(t *testing.T) {
	t.Parallel()
	s := up(t)
	for _, c := range []struct {
		name, script string
		lines        []string
		status       string
		code         any
	}{
		{"no output", `true`, nil, "COMPLETED", 0.0},
		{"no newline at the end", `printf 'a\nb'`, []string{"a", "b"}, "COMPLETED", 0.0},
		{"carriage returns", `printf 'a\r\n10%%\r20%%\n'`, []string{"a", "10%\r20%"}, "COMPLETED", 0.0},
		{"empty lines", `printf '\n\nx\n'`, []string{"", "", "x"}, "COMPLETED", 0.0},
		{"not UTF-8", `printf 'a\377b\n'`, []string{"a\uFFFDb"}, "COMPLETED", 0.0},
		{"markup", `printf '%s\n' '<b>&"\t'`, []string{`<b>&"\t`}, "COMPLETED", 0.0},
		{"standard input is empty", `cat; echo end`, []string{"end"}, "COMPLETED", 0.0},
		{"exit code", `exit 7`, nil, "FAILED", 7.0},
		{"signal", `kill -9 $$`, nil, "FAILED", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := s.execute(c.script)
			e := s.ended(id)
			require.Equal(t, c.status, e["status"])
			require.Equal(t, c.code, e["exit_code"])
			lines, _ := s.lines(id, "")
			require.Equal(t, c.lines, lines)
		})
	}
	t.Run("a long line", func(t *testing.T) {
		id := s.execute(`head -c 40000 /dev/zero | tr '\0' x; echo`)
		s.ended(id)
		var pieces []int
		for e := range s.follow(id, "") {
			if e.kind == "" {
				pieces = append(pieces, len(e.data["line"].(string)))
				require.Equal(t, len(pieces) < 3, e.data["partial"] == true)
			}
		}
		require.Equal(t, []int{16384, 16384, 7232}, pieces)
	})
}

// TestNATSRestart restarts NATS during an execution: no line is lost or
// duplicated, and the result arrives.
func TestNATSRestart(t *testing.T) {
	t.Parallel()
	database, store := localtest.Database(t), t.TempDir()
	server, err := local.StartNATS(local.NATSConfig{StoreDir: store})
	require.NoError(t, err)
	s := up(t, "--nats", server.URL(), "--database-url", database)
	gate := filepath.Join(t.TempDir(), "gate")
	id := s.execute(fmt.Sprintf("seq 1 1000; until [ -e %s ]; do sleep 0.05; done; seq 1001 3000", gate))
	eventually(t, "the first lines are recorded", time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
		return e["log_count"] == 1000.0
	})
	followed, frames := make(chan []string, 1), s.follow(id, "follow=true")
	go func() {
		var lines []string
		for e := range frames {
			if e.kind == "" {
				lines = append(lines, e.data["line"].(string))
			}
		}
		followed <- lines
	}()
	port := server.URL()[strings.LastIndexByte(server.URL(), ':')+1:]
	server.Shutdown()
	require.NoError(t, os.WriteFile(gate, nil, 0o644)) // the command continues, and ends, without NATS
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	server, err = local.StartNATS(local.NATSConfig{StoreDir: store, Port: n})
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	lines := <-followed
	require.Len(t, lines, 3000)
	for i, line := range lines {
		require.Equal(t, strconv.Itoa(i+1), line)
	}
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
	requireRecorded(t, database, id, 3000)
}
