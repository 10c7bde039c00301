package workermanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// pageLines is the default length of a page, pageBytes its approximate
	// limit in bytes: it must fit into a NATS message.
	pageLines = 1000
	pageBytes = 1 << 20
)

// getLogs reads a page of the record. A growing log ends at its first gap,
// because the missing lines may arrive. Gaps of an ended log are skipped.
func (m *Manager) getLogs(ctx context.Context, req schemas.GetLogsRequest) (schemas.LogPage, error) {
	filter, err := req.Filter(time.Now())
	if err != nil {
		return schemas.LogPage{}, err
	}
	id, err := m.db.ExecutionID(ctx, req.ID)
	if err != nil {
		return schemas.LogPage{}, err
	}
	e, err := m.db.GetExecution(ctx, id)
	if err != nil {
		return schemas.LogPage{}, err
	}
	page := schemas.LogPage{Items: []json.RawMessage{}, LogCount: e.LogCount, Status: e.Status, ExitCode: e.ExitCode}
	at := req.From(e.LogCount) - 1 // the last line that the caller has
	if req.Cursor != "" {
		at, _ = strconv.ParseInt(req.Cursor, 10, 64) // validated by the schema
	}
	from, limit := at, req.Limit
	if limit == 0 {
		limit = pageLines
	}
	chunks, err := m.db.ReadLogs(ctx, id, at, math.MaxInt64, pageBytes)
	if err != nil {
		return page, err
	}
	more, read := false, recordedLines{chunks: chunks, after: at, of: e}
	for sequence, line := range read.all {
		if more = len(page.Items) == limit; more {
			break
		}
		page.Items = appendLine(page.Items, line, sequence, filter, req.WithTimestamps())
		at = sequence
	}
	if read.err != nil {
		return page, read.err
	}
	if more || at < e.LogCount && at > from {
		next := strconv.FormatInt(at, 10)
		page.NextCursor = &next
	}
	return page, nil
}

// recordedLines reads the lines of chunks after one line.
type recordedLines struct {
	chunks []postgres.Chunk
	after  int64
	of     hodei.Execution
	err    error // of the last read
}

// all yields the lines with their numbers, up to the first gap of a growing log or the first
// chunk that cannot be decoded.
func (l *recordedLines) all(yield func(int64, []byte) bool) {
	ended, at := l.of.Status.Ended(), l.after
	for _, chunk := range l.chunks {
		if chunk.First > at+1 && !ended {
			return // the rest follows when the gap is filled
		}
		lines, err := chunk.NDJSON()
		if err != nil {
			l.err = fmt.Errorf("read log of %s from %d: %w", l.of.ID, chunk.First, err)
			return
		}
		sequence := chunk.First - 1
		for line := range bytes.Lines(lines) {
			if sequence++; sequence <= at {
				continue
			}
			if ended && sequence > l.of.LogCount || !yield(sequence, bytes.TrimSuffix(line, []byte("\n"))) {
				return
			}
			at = sequence
		}
	}
}

// readLogs returns chunks as they are stored, for followers. In a page, each
// line would be copied, checked and encoded half a dozen times.
func (m *Manager) readLogs(ctx context.Context, req schemas.ReadLogsRequest) (schemas.RecordedLog, error) {
	e, err := m.db.GetExecution(ctx, req.ID)
	if err != nil {
		return schemas.RecordedLog{}, err
	}
	log := schemas.RecordedLog{
		Chunks: []schemas.LogChunk{},
		LogEnd: schemas.LogEnd{ExecutionID: e.ID, Status: e.Status, ExitCode: e.ExitCode, LogCount: e.LogCount}, WorkerID: e.WorkerID,
	}
	if req.Limit == 0 {
		return log, nil
	}
	chunks, err := m.db.ReadLogs(ctx, req.ID, req.After, req.After+int64(req.Limit), pageBytes)
	if err == nil && len(chunks) == 0 && e.Status.Ended() { // a gap that is wider than the page
		chunks, err = m.db.ReadLogs(ctx, req.ID, req.After, math.MaxInt64, 1)
	}
	if err != nil {
		return log, err
	}
	for _, c := range chunks {
		log.Chunks = append(log.Chunks, schemas.LogChunk{First: c.First, Last: c.Last, Lines: c.Lines, Size: c.Size})
	}
	return log, nil
}

// appendLine adds a recorded line if it matches the filter; unchanged, unless
// its time is left out. A recorded line that is not JSON, from an earlier
// version, becomes the text of a line.
func appendLine(items []json.RawMessage, line []byte, sequence int64, filter hodei.LogFilter, timestamps bool) []json.RawMessage {
	if filter.IsZero() && timestamps && json.Valid(line) {
		return append(items, line)
	}
	l := hodei.ReadLogLine(line, sequence)
	switch {
	case !filter.Match(l):
		return items
	case !timestamps:
		line = schemas.WithoutTimestamp(l)
	case !json.Valid(line):
		line, _ = hodei.JSON(l) // strings and numbers always encode
	}
	return append(items, line)
}

// daysAhead is how many days ahead partitions are created.
const daysAhead = 2

// keepDays creates the partitions of the coming days and drops those outside
// the retention, past or future.
func (m *Manager) keepDays(ctx context.Context) error {
	now := time.Now()
	for ahead := range daysAhead + 1 {
		if err := m.db.CreateLogDay(ctx, now.AddDate(0, 0, ahead)); err != nil {
			return err
		}
	}
	dropped, err := m.db.DropLogDays(ctx, now.Add(-m.cfg.LogRetention), now.AddDate(0, 0, daysAhead))
	if dropped > 0 {
		m.log.InfoContext(ctx, "old logs dropped", "days", dropped)
	}
	return err
}

// keptDays returns the days whose logs are recorded: those within the retention, and
// tomorrow, because clocks differ: an execution that starts as it is created has the day of
// its id.
func (m *Manager) keptDays() postgres.Days {
	now := time.Now()
	return postgres.Days{First: now.Add(-m.cfg.LogRetention), Last: now.Add(24 * time.Hour)}
}

// checkRetention fails if the retention needs more partitions than Postgres has
// locks for.
func (m *Manager) checkRetention(ctx context.Context) error {
	if m.cfg.LogRetention < 0 || m.cfg.ExecutionRetention < 0 {
		return fmt.Errorf("a retention is negative: %v of logs, %v of executions", m.cfg.LogRetention, m.cfg.ExecutionRetention)
	}
	most, err := m.db.LogDaysLimit(ctx)
	if err != nil {
		return err
	}
	if days := int(m.cfg.LogRetention.Hours()/24) + daysAhead + 2; days > most {
		return fmt.Errorf("a log retention of %v needs %d partitions, and this Postgres has locks for %d: shorten --log-retention, "+
			"or raise max_locks_per_transaction of Postgres by the factor %d", m.cfg.LogRetention, days, most, (days+most-1)/most)
	}
	return nil
}
