package workermanager

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// partitions returns the days that have a table.
func (b *bench) partitions() []string {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	defer conn.Close(b.t.Context())
	rows, err := conn.Query(b.t.Context(), `SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
		WHERE inhparent = 'execution_logs'::regclass ORDER BY 1`)
	require.NoError(b.t, err)
	days, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	return days
}

// idOf returns an execution id with the given creation time.
func idOf(at time.Time) hodei.ExecutionID {
	id := hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		id[i] = byte(ms)
	}
	return id
}

// settled waits until every published chunk is stored or refused.
func (h *hand) settled() {
	h.b.t.Helper()
	e := h.given()
	h.printed(e.ID, 1, 1)
	h.finishes(h.ended(e.ID, 1))
}

// TestForgedDaysMakeNoPartition: an execution id determines the day of its
// partition, and any NATS client can send any id.
func TestForgedDaysMakeNoPartition(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	before := b.partitions()
	now := time.Now()
	for day := range 1500 {
		h.print(idOf(now.AddDate(0, 0, day+5)), 1, 1)
	}
	h.print(idOf(now), 1, 1) // of today, and unknown
	// These are running in the record.
	for _, at := range []time.Time{now.AddDate(0, 0, -40), now.AddDate(0, 0, 2), time.Date(10889, 8, 2, 0, 0, 0, 0, time.UTC)} {
		odd, err := b.db.StartExecution(t.Context(), hodei.Execution{ID: idOf(at), Spec: e.Spec}, h.id, "shell", h.report.Incarnation)
		require.NoError(t, err)
		h.print(odd.ID, 1, 3)
		end := h.ended(odd.ID, 3)
		end.Final = true
		require.Equal(t, hodei.Completed, h.finishes(end).Status)
		odd = b.execution(odd.ID)
		require.True(t, odd.LogDamaged)
		require.False(t, odd.LogsAvailable)
	}
	h.settled()
	require.Equal(t, before, b.partitions())
	h.printed(e.ID, 1, 3)
	h.finishes(h.ended(e.ID, 3))
}

// TestAPartitionIsMadeWhereOneIsMissing for a running execution within the
// retention.
func TestAPartitionIsMadeWhereOneIsMissing(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	spec := h.given().Spec
	old, err := b.db.StartExecution(t.Context(), hodei.Execution{ID: idOf(time.Now().AddDate(0, 0, -20)), Spec: spec}, h.id, "shell", h.report.Incarnation)
	require.NoError(t, err)
	before := len(b.partitions())
	h.printed(old.ID, 1, 3)
	require.Len(t, b.partitions(), before+1)
	h.finishes(h.ended(old.ID, 3))
	require.False(t, b.execution(old.ID).LogDamaged)
}

// TestALogIsKeptFromTheDayOfTheAssignment: an execution may wait for longer than the log
// retention, and its id has the day on which it was created.
func TestALogIsKeptFromTheDayOfTheAssignment(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	spec := h.given().Spec
	before := b.partitions()
	var ids []hodei.ExecutionID
	for range 2 {
		e, err := b.db.CreateExecution(t.Context(), hodei.Execution{ID: idOf(time.Now().AddDate(0, 0, -40)), Spec: spec})
		require.NoError(t, err)
		must(b, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &h.id, Scheduled: true})
		ids = append(ids, e.ID)
	}
	whole, damaged := ids[0], ids[1]
	const copied = 4000 // lines above the size from which chunks are copied
	h.printed(whole, 1, 3)
	h.printed(whole, 4, copied)
	page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(whole), Limit: 5})
	require.Equal(t, []int64{1, 2, 3, 4, 5}, sequences(t, page))
	require.Len(t, must(b, schemas.ReadLogs, schemas.ReadLogsRequest{ID: whole, Limit: 100}).Chunks, 2)
	h.finishes(h.ended(whole, 3, copied))
	require.False(t, b.execution(whole).LogDamaged)

	h.printed(damaged, 1, 3)
	end := h.ended(damaged, 3, 5, 7)
	require.Equal(t, []schemas.Span{{ExecutionID: damaged, First: 4, Last: 7}}, h.finishes(end).Missing)
	end.Final = true
	require.Equal(t, hodei.Completed, h.finishes(end).Status)
	page = must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(damaged)})
	require.Equal(t, []int64{1, 2, 3, 4}, sequences(t, page), "the fourth line names the lost ones")
	require.Equal(t, before, b.partitions())

	require.NoError(t, b.db.DeleteExecution(t.Context(), whole))
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var left int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM execution_logs WHERE execution_id = $1`, whole).Scan(&left))
	require.Zero(t, left, "a log is deleted with its execution")
}

// TestChunksOfOthersAreRefused: a chunk is stored only for an execution that
// runs on the worker process that sent it.
func TestChunksOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	h, other := b.worker(), b.worker()
	e, ended := h.given(), h.given()
	h.finishes(h.ended(ended.ID, 0))
	answers := h.stored()
	refused := func(id hodei.ExecutionID) {
		t.Helper()
		answer := answers()
		require.Empty(t, answer.Spans)
		require.Equal(t, []schemas.Span{{ExecutionID: id, First: 1, Last: 2}}, answer.Refused)
	}
	for _, id := range []hodei.ExecutionID{ended.ID, b.pending().ID, hodei.ExecutionID(uuid.Must(uuid.NewV7()))} {
		h.print(id, 1, 2)
		refused(id)
	}
	incarnation := h.report.Incarnation
	for _, wrong := range []string{"", uuid.NewString(), other.report.Incarnation, "\x00", "\xff"} {
		h.report.Incarnation = wrong
		h.print(e.ID, 1, 2)
		refused(e.ID)
	}
	h.report.Incarnation = incarnation
	kept := h.kept()
	other.print(e.ID, 1, 2)
	lines := chunk(1, 2)
	like := nats.Header{
		schemas.HeaderIncarnation: []string{incarnation}, schemas.HeaderFirst: []string{"1"}, schemas.HeaderLast: []string{"2"},
		"Hodei-Worker": []string{h.id.String()}, // only the subject identifies the worker
	}
	for _, subject := range []string{
		schemas.LogSubject(other.id, e.ID), schemas.LogSubject(hodei.WorkerID{1}, e.ID), "execution.log.x." + e.ID.String(),
		"execution.log." + h.id.String() + ".x", "execution.log.*." + e.ID.String(),
	} {
		require.NoError(t, b.nc.PublishMsg(&nats.Msg{Subject: subject, Data: lines, Header: like}))
	}
	h.printed(e.ID, 1, 5)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 5}}, kept())
	h.finishes(h.ended(e.ID, 5))
	require.False(t, b.execution(e.ID).LogDamaged)
}

// TestLargeBatchesRefuseTheSame: large batches use COPY.
func TestLargeBatchesRefuseTheSame(t *testing.T) {
	t.Parallel()
	b := start(t)
	h, other := b.worker(), b.worker()
	e := h.given()
	answers := h.stored()
	noise := func(h *hand, first int64) {
		text := strings.Builder{}
		for n := first; n < first+200; n++ {
			fmt.Fprintf(&text, `{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"%s","sequence":%d}`+"\n", strings.Repeat(uuid.NewString(), 12), n)
		}
		h.publish(e.ID, strconv.FormatInt(first, 10), strconv.FormatInt(first+199, 10), []byte(text.String()))
	}
	noise(other, 1)
	noise(h, 1)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 200}}, answers().Spans)
	noise(h, 201)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 201, Last: 400}}, answers().Spans)
	require.EqualValues(t, 400, b.execution(e.ID).LogCount)
}

// TestLinesAreCheckedBeforeTheyAreRecorded: readers receive recorded lines
// unchanged.
func TestLinesAreCheckedBeforeTheyAreRecorded(t *testing.T) {
	t.Parallel()
	const head = `{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"`
	for line, good := range map[string]bool{
		head + `a","sequence":7}`:                                                 true,
		head + `a \u0007 é \" \\ \n","sequence":7}`:                               true,
		head + `a","sequence":7,"partial":true}`:                                  true,
		head + "a\rid: 9\r\revent: done\rdata: {}\r\r" + `","sequence":7}`:        false,
		"\r" + head + `a","sequence":7}`:                                          false,
		head + `a","sequence":7}` + "\r":                                          false,
		head + "a\x00" + `","sequence":7}`:                                        false,
		head + "a\x80" + `","sequence":7}`:                                        false,
		head + `a","sequence":8}`:                                                 false,
		head + `a","x":"","sequence":7}`:                                          false,
		head + `a\q","sequence":7}`:                                               false,
		head + `a\u00g0","sequence":7}`:                                           false,
		head + `a\","sequence":7}`:                                                false,
		head + strings.Repeat("a", longestLine) + `","sequence":7}`:               false,
		strings.Replace(head, "stdout", "other", 1) + `a","sequence":7}`:          false,
		strings.Replace(head, "Z", "", 1) + `a","sequence":7}`:                    false,
		strings.Replace(head, `,"`, `,"x":{"`, 1) + `a","sequence":7}`:            false,
		strings.Replace(head, `"stream"`, "\r\"stream\"", 1) + `a","sequence":7}`: false,
		`{"line":"a"}`: false, `garbage`: false, ``: false, `null`: false,
	} {
		for _, known := range []string{"", head} { // of the previous line
			c := checker{head: []byte(known)}
			err := c.lines([]byte(line+"\n"), 7, 7)
			require.Equal(t, good, err == nil, "%q: %v", line, err)
		}
	}
}

// TestSequencesAreBounded: the record computes with them.
func TestSequencesAreBounded(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	for _, at := range []int64{math.MaxInt64, math.MaxInt64 - 1, hodei.MaxSequence + 1} {
		n := strconv.FormatInt(at, 10)
		h.publish(e.ID, n, n, fmt.Appendf(nil, `{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"x","sequence":%d}`+"\n", at))
	}
	lines := chunk(1, 2)
	h.publish(e.ID, "1", strconv.Itoa(math.MaxInt64), lines)
	h.publish(e.ID, "-9223372036854775808", "9223372036854775807", lines)
	h.publish(e.ID, "1", "20000", bytes.Repeat(lines, 10000))
	h.printed(e.ID, 1, 4)
	require.EqualValues(t, 4, b.execution(e.ID).LogCount)
	end := h.ended(e.ID, 4)
	for _, count := range []int64{-1, math.MinInt64, math.MaxInt64} {
		end.Outcome.LogCount = count
		_, err := h.finish(end)
		require.ErrorIs(t, err, hodei.Invalid)
	}
	h.finishes(h.ended(e.ID, 4))
	require.False(t, b.execution(e.ID).LogDamaged)
}

// texts returns the lines of a log as text/plain, by sequence.
func (b *bench) texts(id hodei.ExecutionID) map[int64]string {
	b.t.Helper()
	texts := map[int64]string{}
	req := schemas.GetLogsRequest{ID: hodei.RefTo(id), Limit: 7}
	for {
		page := must(b, schemas.GetLogs, req)
		for _, item := range page.Items {
			line := decode[hodei.LogLine](b.t, item)
			texts[line.Sequence] = line.Line
		}
		if page.NextCursor == nil {
			return texts
		}
		req.Cursor = *page.NextCursor
	}
}

// TestALogThatCannotBeCompletedEndsDamaged: the end does not wait for lines
// that the worker cannot send.
func TestALogThatCannotBeCompletedEndsDamaged(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 10)
	h.printed(e.ID, 21, 30)
	end := h.ended(e.ID, 20_031)
	require.Len(t, h.finishes(end).Missing, 2)
	require.Equal(t, hodei.Running, b.execution(e.ID).Status)
	h.printed(e.ID, 20_030, 20_030)
	end.Final = true
	for range 2 { // the first answer may be lost
		answer := h.finishes(end)
		require.Empty(t, answer.Missing)
		require.Equal(t, hodei.Completed, answer.Status)
	}
	done := b.execution(e.ID)
	require.True(t, done.LogDamaged)
	require.Zero(t, *done.ExitCode)
	require.EqualValues(t, 20_031, done.LogCount)
	require.True(t, b.event(schemas.EventCompleted).Execution.LogDamaged)
	texts := b.texts(e.ID)
	require.Len(t, texts, 24)
	for sequence, text := range map[int64]string{
		10: "line 10", 11: "[hodei] lines 11-20 of this log were lost", 21: "line 21", 31: "[hodei] lines 31-20029 of this log were lost",
		20_030: "line 20030", 20_031: "[hodei] line 20031 of this log was lost",
	} {
		require.Equal(t, text, texts[sequence])
	}
	// A feed requests a few lines at a time, and must get past a wide gap.
	log := must(b, schemas.ReadLogs, schemas.ReadLogsRequest{ID: e.ID, After: 31, Limit: 100})
	require.Len(t, log.Chunks, 1)
	require.EqualValues(t, 20_030, log.Chunks[0].First)
	require.Empty(t, must(b, schemas.ReadLogs, schemas.ReadLogsRequest{ID: e.ID, After: 20_031, Limit: 100}).Chunks)
}

// TestForgedChunksDoNotBlockTheEnd: chunks of a client that impersonates the
// worker.
func TestForgedChunksDoNotBlockTheEnd(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	for name, forge := range map[string]func(id hodei.ExecutionID){
		"past the end":      func(id hodei.ExecutionID) { h.printed(id, 11, 11) },
		"far past the end":  func(id hodei.ExecutionID) { h.printed(id, hodei.MaxSequence, hodei.MaxSequence) },
		"instead of a line": nil,
	} {
		e := h.given()
		end := h.ended(e.ID, 10)
		if forge == nil {
			lines := chunk(1, 10)
			h.publish(e.ID, "1", "10", bytes.ReplaceAll(lines, []byte("line 7"), []byte("FORGED")))
			b.until("the forged chunk is stored", func() bool { return b.execution(e.ID).LogCount == 10 })
			answers := h.stored()
			h.print(e.ID, 1, 10)
			require.Len(t, answers().Spans, 1)
		} else {
			h.printed(e.ID, 1, 10)
			forge(e.ID)
		}
		must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: e.ID}) // it changes nothing and blocks nothing
		answer := h.finishes(end)
		require.Empty(t, answer.Missing, name)
		require.Equal(t, hodei.Completed, answer.Status, name)
		done := b.execution(e.ID)
		require.True(t, done.LogDamaged, name)
		require.EqualValues(t, 11, done.LogCount, name)
		texts := b.texts(e.ID)
		require.Len(t, texts, 11, name)
		require.Equal(t, "[hodei] this log is damaged: its lines are not those that the worker sent", texts[11])
	}
}

// TestPoisonIsRefusedAlone: content that Postgres rejects must not block other
// chunks or be retried for ever.
func TestPoisonIsRefusedAlone(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	bad, good := h.given(), h.given()
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), fmt.Sprintf(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.execution_id = '%s' THEN RAISE 'poison' USING ERRCODE = '22003'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER poison BEFORE INSERT ON execution_logs FOR EACH ROW EXECUTE FUNCTION poison()`, uuid.UUID(bad.ID)))
	require.NoError(t, err)
	var r reader
	var batch []*nats.Msg
	for _, e := range []hodei.Execution{good, bad, good} {
		lines := chunk(int64(len(batch)+1), int64(len(batch)+1))
		n := strconv.Itoa(len(batch) + 1)
		batch = append(batch, &nats.Msg{Subject: schemas.LogSubject(h.id, e.ID), Data: lines, Header: nats.Header{
			schemas.HeaderIncarnation: []string{h.report.Incarnation},
			schemas.HeaderFirst:       []string{n}, schemas.HeaderLast: []string{n},
		}})
	}
	answers := h.stored()
	require.NoError(t, b.commit(t.Context(), batch, &r))
	answer := answers()
	require.Equal(t, []schemas.Span{{ExecutionID: good.ID, First: 1, Last: 1}, {ExecutionID: good.ID, First: 3, Last: 3}}, answer.Spans)
	require.Equal(t, []schemas.Span{{ExecutionID: bad.ID, First: 2, Last: 2}}, answer.Refused)
	require.EqualValues(t, 1, b.refused.Load())
}

// TestRecordedLinesThatAreNoJSONAreShown: earlier versions recorded any bytes.
func TestRecordedLinesThatAreNoJSONAreShown(t *testing.T) {
	t.Parallel()
	items := appendLine(nil, []byte("no \r JSON \xff"), 3, hodei.LogFilter{}, true)
	line := decode[hodei.LogLine](t, items[0])
	require.Equal(t, hodei.LogLine{Stream: hodei.Stdout, Line: "no \r JSON \uFFFD", Sequence: 3}, line)
	require.Empty(t, appendLine(nil, []byte("{"), 3, hodei.LogFilter{Stream: hodei.Stderr}, true))
}

// TestALongRetentionIsRefused: its partitions would exhaust the locks of
// Postgres.
func TestALongRetentionIsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	m := New(Config{NATS: b.nc, DB: b.db, LogRetention: 10 * 365 * 24 * time.Hour})
	require.ErrorContains(t, m.Run(t.Context()), "max_locks_per_transaction")
	m = New(Config{NATS: b.nc, DB: b.db, LogRetention: -time.Hour})
	require.ErrorContains(t, m.Run(t.Context()), "negative")
}
