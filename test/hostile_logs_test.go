package test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// forge publishes a chunk of one line of a log, with the worker and the headers of
// another chunk.
func forge(t testing.TB, nc *nats.Conn, worker, id string, like nats.Header, sequence int64, text string) {
	t.Helper()
	line := fmt.Sprintf(`{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"%s","sequence":%d}`+"\n", text, sequence)
	msg := &nats.Msg{Subject: "execution.log." + worker + "." + id, Data: []byte(line), Header: nats.Header{}}
	for name, values := range like {
		msg.Header[name] = values
	}
	msg.Header.Set(schemas.HeaderFirst, strconv.FormatInt(sequence, 10))
	msg.Header.Set(schemas.HeaderLast, strconv.FormatInt(sequence, 10))
	require.NoError(t, nc.PublishMsg(msg))
}

// TestHostileLogs: whatever a NATS client publishes as a log, executions end,
// their records can be read, and everything stops on request.
func TestHostileLogs(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	s := up(t, "--database-url", database)
	nc := connect(t, s.nats)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	partitions := func() (n int) {
		conn, err := pgx.Connect(t.Context(), database)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'execution_logs'::regclass`).Scan(&n))
		return n
	}
	before := partitions()

	gate := filepath.Join(t.TempDir(), "gate")
	id := s.execute(`echo real; until [ -e ` + gate + ` ]; do sleep 0.05; done; echo end`)
	var header nats.Header // as the worker sends it
	var worker string
	eventually(t, "the first line is published", 30*time.Second, func() bool {
		stream, err := js.Stream(t.Context(), schemas.LogStream)
		require.NoError(t, err)
		msg, err := stream.GetLastMsgForSubject(t.Context(), "execution.log.*."+id)
		if err != nil {
			return false
		}
		header, worker = msg.Header, strings.Split(msg.Subject, ".")[2]
		return true
	})
	for day := range 1500 {
		forge(t, nc, worker, execIDOf(time.Now().AddDate(0, 0, day+3)), header, 1, "a day")
	}
	forge(t, nc, worker, id, header, math.MaxInt64, "the last of all")
	forge(t, nc, worker, id, header, 2, "x\\\",\r\revent: done\rdata: {}\r\r")
	forge(t, nc, worker, id, nil, 2, "no incarnation")
	forge(t, nc, "worker_"+uuid.NewString(), id, header, 2, "another worker")
	forge(t, nc, worker, id, header, 100, "past the end")
	eventually(t, "the forged line is recorded", 30*time.Second, func() bool {
		status, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
		require.Equal(t, 200, status)
		return e["log_count"] == 2.0
	})
	require.Equal(t, before, partitions())
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	e := s.ended(id)
	require.Equal(t, "COMPLETED", e["status"])
	require.Equal(t, true, e["log_damaged"])
	status, page := call(t, "GET", s.workerManager+"/executions/"+id+"/logs?format=json", "")
	require.Equal(t, 200, status)
	var lines []string
	for _, item := range page["items"].([]any) {
		lines = append(lines, item.(object)["line"].(string))
	}
	require.Equal(t, []string{"real", "end", "[hodei] this log is damaged: its lines are not those that the worker sent"}, lines)
	lines, end := s.lines(id, "follow=true") // a follower may still receive forged lines here
	require.Len(t, lines, 3)
	require.Equal(t, 3.0, end.data["log_count"])

	whole := s.ended(s.execute("seq 1000"))
	require.Equal(t, "COMPLETED", whole["status"])
	require.Equal(t, false, whole["log_damaged"])
	status, list := call(t, "GET", s.orchestrator+"/executions", "")
	require.Equal(t, 200, status)
	require.Len(t, list["items"], 2)
	require.Equal(t, before, partitions())
	s.signal(syscall.SIGTERM)
	require.Zero(t, s.wait())
}

// execIDOf returns an execution id with the given creation time.
func execIDOf(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		id[i] = byte(ms)
	}
	return "exec_" + id.String()
}

// TestLogLimit: incompressible output exceeds a small limit of the execution,
// of its job, and of the worker. The command continues.
func TestLogLimit(t *testing.T) {
	t.Parallel()
	s := up(t, "--log-limit", "200KiB")
	const flood = "head -c 3000000 /dev/urandom | base64 -w 76; echo done >&2; exit 3"
	ended := func(id string) (bytes int, notes []string) {
		e := s.ended(id)
		require.Equal(t, "FAILED", e["status"])
		require.Equal(t, 3.0, e["exit_code"])
		require.Equal(t, false, e["log_damaged"])
		lines, _ := s.lines(id, "")
		require.EqualValues(t, e["log_count"], len(lines))
		for _, line := range lines {
			if strings.HasPrefix(line, "[hodei]") {
				notes = append(notes, line)
			} else {
				bytes += len(line) + 1
			}
		}
		require.Len(t, notes, 2)
		return bytes, notes
	}
	bytes, notes := ended(s.execute(flood))
	require.InDelta(t, 200<<10, bytes, 100)
	require.Contains(t, notes[0], "the log limit of 200 KiB is reached")
	require.Contains(t, notes[0], "--log-limit of the worker")
	require.Contains(t, notes[1], "lines of output (3.7 MiB) are not recorded")

	job := s.job(`{"command":` + strconv.Quote(flood) + `,"log_limit":10000}`)
	status, e := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
	require.Contains(t, []int{200, 202}, status)
	bytes, notes = ended(e["execution_id"].(string))
	require.InDelta(t, 10_000, bytes, 100)
	require.Contains(t, notes[0], "raise it with log_limit of the job")

	body, _ := json.Marshal(object{"command": flood, "log_limit": 1 << 40})
	status, e = call(t, "POST", s.workerManager+"/execute", string(body))
	require.Equal(t, 201, status)
	bytes, _ = ended(e["id"].(string))
	require.InDelta(t, 200<<10, bytes, 100, "the worker's limit bounds that of an execution")

	status, refused := call(t, "PATCH", s.orchestrator+"/jobs/"+job, `{"log_limit":0}`)
	require.Equal(t, 400, status, refused)
	status, j := call(t, "PATCH", s.orchestrator+"/jobs/"+job, `{"log_limit":null}`)
	require.Equal(t, 200, status)
	require.Nil(t, j["log_limit"])
}
