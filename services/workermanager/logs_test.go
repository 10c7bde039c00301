package workermanager

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/schemas"
)

// stored collects the acknowledgements of the worker's chunks.
func (h *hand) stored() func() schemas.Stored {
	sub, err := h.b.nc.SubscribeSync(schemas.StoredSubject(h.id))
	require.NoError(h.b.t, err)
	require.NoError(h.b.t, h.b.nc.Flush())
	return func() schemas.Stored {
		h.b.t.Helper()
		msg, err := sub.NextMsg(30 * time.Second)
		require.NoError(h.b.t, err)
		return decode[schemas.Stored](h.b.t, msg.Data)
	}
}

// kept is stored without refusals, which may arrive earlier.
func (h *hand) kept() func() []schemas.Span {
	next := h.stored()
	return func() []schemas.Span {
		h.b.t.Helper()
		for {
			if answer := next(); len(answer.Spans) > 0 {
				return answer.Spans
			}
		}
	}
}

// sequences returns the sequence numbers of a page.
func sequences(t *testing.T, page schemas.LogPage) []int64 {
	t.Helper()
	got := []int64{}
	for _, item := range page.Items {
		got = append(got, decode[hodei.LogLine](t, item).Sequence)
	}
	return got
}

func TestChunksAreCommittedOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	spans := h.stored()
	for range 3 { // as when the acknowledgement is late
		h.print(e.ID, 1, 5)
		require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 5}}, spans().Spans)
	}
	page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID)})
	require.Equal(t, []int64{1, 2, 3, 4, 5}, sequences(t, page))
	require.EqualValues(t, 5, page.LogCount)
}

func TestMalformedChunksAreRefusedAndHoldNothingUp(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	kept := h.kept()
	lines := chunk(1, 2)
	for _, bad := range [][2]string{{"", ""}, {"1", "x"}, {"1", "3"}, {"0", "1"}, {"2", "1"}} {
		h.publish(e.ID, bad[0], bad[1], lines)
	}
	h.print(e.ID, 1, 2)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 2}}, kept(), "and of nothing else")
	require.EqualValues(t, 2, b.execution(e.ID).LogCount)
}

// TestCompressedChunksAreStoredAsTheyCame if they contain what they declare.
func TestCompressedChunksAreStoredAsTheyCame(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	lines := chunk(1, 40)
	e := h.given()
	kept := h.kept()
	frame := logchunk.Compress(bytes.Repeat(lines, 2)).Lines // twice, to be long enough: other sequences than declared
	h.publish(e.ID, "1", "80", frame, logchunk.Zstd)
	lines = chunk(1, 80)
	body := logchunk.Compress(lines)
	require.Equal(t, logchunk.Zstd, body.Encoding())
	h.publish(e.ID, "1", "80", body.Lines[:len(body.Lines)-5], logchunk.Zstd)
	h.publish(e.ID, "1", "79", body.Lines, logchunk.Zstd)
	h.publish(e.ID, "1", "80", append(bytes.Clone(body.Lines), body.Lines...), logchunk.Zstd)
	h.publish(e.ID, "1", "80", lines, logchunk.Zstd)
	for _, wrong := range []string{"", "gzip", "zstd, zstd"} {
		h.publish(e.ID, "1", "80", body.Lines, wrong)
	}
	h.publish(e.ID, "1", "80", body.Lines, logchunk.Zstd)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 80}}, kept(), "and of nothing else")
	log := must(b, schemas.ReadLogs, schemas.ReadLogsRequest{ID: e.ID, Limit: 100})
	require.Equal(t, []schemas.LogChunk{{First: 1, Last: 80, Lines: body.Lines, Size: body.Size}}, log.Chunks)
	page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID)})
	var got []byte
	for _, line := range page.Items {
		got = append(append(got, line...), '\n')
	}
	require.Equal(t, string(lines), string(got))
	end := h.ended(e.ID, 80)
	end.Outcome.LogDigest = int64(body.Digest()) // of what was sent
	h.finishes(end)
	require.False(t, b.execution(e.ID).LogDamaged)
}

// TestLogsAreStoredWithoutJetStream: followers read it, the record does not
// need it.
func TestLogsAreStoredWithoutJetStream(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	require.NoError(t, b.js.DeleteStream(t.Context(), schemas.LogStream))
	spans := h.stored()
	h.print(e.ID, 1, 5)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 5}}, spans().Spans)
	require.EqualValues(t, 5, b.execution(e.ID).LogCount)
}

// TestPostgresRefusesAndThenTakesChunks renames the table for a while: nothing
// is acknowledged, and nothing is lost.
func TestPostgresRefusesAndThenTakesChunks(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `ALTER TABLE execution_logs RENAME TO elsewhere`)
	require.NoError(t, err)
	spans := h.stored()
	early, err := b.nc.SubscribeSync(schemas.StoredSubject(h.id))
	require.NoError(t, err)
	h.print(e.ID, 1, 3)
	b.never("acknowledged before it is committed", 300*time.Millisecond, func() bool {
		waiting, _, err := early.Pending()
		return err != nil || waiting > 0
	})
	_, err = conn.Exec(t.Context(), `ALTER TABLE elsewhere RENAME TO execution_logs`)
	require.NoError(t, err)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 1, Last: 3}}, spans().Spans)
	require.EqualValues(t, 3, b.execution(e.ID).LogCount)
}

func TestLogsArePaged(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 7)
	h.printed(e.ID, 8, 25)
	h.finishes(h.ended(e.ID, 7, 25))
	var got []int64
	req := schemas.GetLogsRequest{ID: hodei.RefTo(e.ID), Limit: 10}
	for _, size := range []int{10, 10, 5} {
		page := must(b, schemas.GetLogs, req)
		require.Len(t, page.Items, size)
		require.Equal(t, hodei.Completed, page.Status)
		require.Zero(t, *page.ExitCode)
		got = append(got, sequences(t, page)...)
		if size == 5 {
			require.Nil(t, page.NextCursor)
			break
		}
		req.Cursor = *page.NextCursor
	}
	for i, sequence := range got {
		require.EqualValues(t, i+1, sequence)
	}
	_, err := ask(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(hodei.ExecutionID{1})})
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestLogsAreFiltered(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 12)
	tail, off := schemas.Tail(4), false
	for name, test := range map[string]struct {
		options schemas.LogOptions
		want    []int64
	}{
		"tail first":      {schemas.LogOptions{Tail: &tail, Stream: "stderr"}, []int64{9, 12}},
		"tail":            {schemas.LogOptions{Tail: &tail}, []int64{9, 10, 11, 12}},
		"stderr":          {schemas.LogOptions{Stream: "stderr"}, []int64{3, 6, 9, 12}},
		"since and until": {schemas.LogOptions{Since: "2026-01-01T00:00:05Z", Until: "2026-01-01T00:00:08Z"}, []int64{5, 6, 7, 8}},
		"without times":   {schemas.LogOptions{Tail: &tail, Timestamps: &off}, []int64{9, 10, 11, 12}},
	} {
		t.Run(name, func(t *testing.T) {
			page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID), LogOptions: test.options})
			require.Equal(t, test.want, sequences(t, page))
			var line map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(page.Items[0], &line))
			require.Equal(t, test.options.WithTimestamps(), line["timestamp"] != nil)
		})
	}
	_, err := ask(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID), LogOptions: schemas.LogOptions{Since: "yesterday"}})
	require.ErrorIs(t, err, hodei.Invalid)
}

func TestAHoleStopsAGrowingLog(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 3)
	h.printed(e.ID, 6, 8)
	page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID)})
	require.Equal(t, []int64{1, 2, 3}, sequences(t, page))
	page = must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID), Cursor: "3"})
	require.Empty(t, page.Items)
	require.Nil(t, page.NextCursor, "there is nothing more now")
	h.printed(e.ID, 4, 5)
	page = must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID), Cursor: "3"})
	require.Equal(t, []int64{4, 5, 6, 7, 8}, sequences(t, page))
}

// TestALostLogEndsBeforeItsFirstHole: all counted lines can be read.
func TestALostLogEndsBeforeItsFirstHole(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 3)
	h.printed(e.ID, 6, 8)
	must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.report.Incarnation, Killed: true})
	page := must(b, schemas.GetLogs, schemas.GetLogsRequest{ID: hodei.RefTo(e.ID)})
	require.EqualValues(t, 3, page.LogCount)
	require.Equal(t, []int64{1, 2, 3}, sequences(t, page))
	require.Nil(t, page.NextCursor)
}

// TestChunksAreReadAsTheyAreKept: whole, with gaps, and with the progress of
// the execution.
func TestChunksAreReadAsTheyAreKept(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 30)
	h.printed(e.ID, 31, 60)
	h.printed(e.ID, 71, 80)
	spans := func(req schemas.ReadLogsRequest) (spans [][2]int64) {
		req.ID = e.ID
		log := must(b, schemas.ReadLogs, req)
		require.EqualValues(t, 70, log.LogCount)
		require.Equal(t, hodei.Running, log.Status)
		for _, c := range log.Chunks {
			lines, err := logchunk.Body{Lines: c.Lines, Size: c.Size}.NDJSON()
			require.NoError(t, err)
			want := chunk(c.First, c.Last)
			require.Equal(t, string(want), string(lines))
			spans = append(spans, [2]int64{c.First, c.Last})
		}
		return spans
	}
	require.Equal(t, [][2]int64{{1, 30}, {31, 60}, {71, 80}}, spans(schemas.ReadLogsRequest{Limit: 100}))
	require.Equal(t, [][2]int64{{1, 30}, {31, 60}}, spans(schemas.ReadLogsRequest{After: 29, Limit: 2}))
	require.Empty(t, spans(schemas.ReadLogsRequest{After: 80, Limit: 10}))
	require.Empty(t, spans(schemas.ReadLogsRequest{}))
	_, err := ask(b, schemas.ReadLogs, schemas.ReadLogsRequest{ID: hodei.ExecutionID{1}, Limit: 1})
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestDaysAreMadeAheadAndDroppedAfterTheRetention(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.LogRetention = 48 * time.Hour })
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 3)
	now := time.Now().UTC()
	for _, ago := range []int{2, 3, 9} {
		require.NoError(t, b.db.CreateLogDay(t.Context(), now.AddDate(0, 0, -ago)))
	}
	require.NoError(t, b.keepDays(t.Context()))
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'execution_logs'::regclass ORDER BY 1`)
	require.NoError(t, err)
	days, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var want []string
	for _, ahead := range []int{-2, 0, 1, 2} {
		want = append(want, "execution_logs_"+now.AddDate(0, 0, ahead).Format("20060102"))
	}
	require.Equal(t, want, days)
	require.EqualValues(t, 3, b.execution(e.ID).LogCount)
}
