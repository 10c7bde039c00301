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
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// pageLines is how many lines a page has when no limit is given, pageBytes
	// about how many bytes at most: it must fit into a NATS message.
	pageLines = 1000
	pageBytes = 1 << 20
)

// getLogs reads a page of the record. A log that still grows ends at its first
// hole, so that what is read is always contiguous.
func (m *Manager) getLogs(ctx context.Context, req schemas.GetLogsRequest) (schemas.LogPage, error) {
	filter, err := req.Filter(time.Now())
	if err != nil {
		return schemas.LogPage{}, err
	}
	e, err := m.db.GetExecution(ctx, req.ID)
	if err != nil {
		return schemas.LogPage{}, err
	}
	page := schemas.LogPage{Items: []json.RawMessage{}, LogCount: e.LogCount, Status: e.Status, ExitCode: e.ExitCode}
	at := req.From(e.LogCount) - 1 // the last line that the caller has
	if req.Cursor != "" {
		at, _ = strconv.ParseInt(req.Cursor, 10, 64) // the schema has checked it
	}
	limit := req.Limit
	if limit == 0 {
		limit = pageLines
	}
	chunks, err := m.db.ReadLogs(ctx, req.ID, at, math.MaxInt64, pageBytes)
	if err != nil {
		return page, err
	}
	more := false
	for _, chunk := range chunks {
		if chunk.First > at+1 {
			break // a hole: the rest comes when it is filled
		}
		lines, err := chunk.Unpack(chunk.First)
		if err != nil {
			return page, fmt.Errorf("read log of %s from %d: %w", req.ID, chunk.First, err)
		}
		sequence := chunk.First - 1
		for line := range bytes.Lines(lines) {
			if sequence++; sequence <= at {
				continue
			}
			if e.Status.Ended() && sequence > e.LogCount {
				break
			}
			if more = len(page.Items) == limit; more {
				break
			}
			if page.Items, err = appendLine(page.Items, bytes.TrimSuffix(line, []byte("\n")), filter, req.WithTimestamps()); err != nil {
				return page, fmt.Errorf("read log of %s: %w", req.ID, err)
			}
			at = sequence
		}
		if more {
			break
		}
	}
	if more || at < e.LogCount && len(chunks) > 0 && chunks[0].First <= at+1 {
		next := strconv.FormatInt(at, 10)
		page.NextCursor = &next
	}
	return page, nil
}

// readLogs gives chunks of the record as they are kept, for feeds: as a page of
// lines each would be copied, checked and encoded half a dozen times.
func (m *Manager) readLogs(ctx context.Context, req schemas.ReadLogsRequest) (schemas.RecordedLog, error) {
	e, err := m.db.GetExecution(ctx, req.ID)
	if err != nil {
		return schemas.RecordedLog{}, err
	}
	log := schemas.RecordedLog{
		Chunks: []schemas.LogChunk{},
		LogEnd: schemas.LogEnd{ExecutionID: e.ID, Status: e.Status, ExitCode: e.ExitCode, LogCount: e.LogCount},
	}
	if req.Limit == 0 {
		return log, nil
	}
	chunks, err := m.db.ReadLogs(ctx, req.ID, req.After, req.After+int64(req.Limit), pageBytes)
	if err != nil {
		return log, err
	}
	for _, c := range chunks {
		log.Chunks = append(log.Chunks, schemas.LogChunk{First: c.First, Last: c.Last, Text: c.Text})
	}
	return log, nil
}

// appendLine adds a recorded line if the filter lets it through; as it was
// recorded, unless it must lose its time.
func appendLine(items []json.RawMessage, line []byte, filter hodei.LogFilter, timestamps bool) ([]json.RawMessage, error) {
	if filter.IsZero() && timestamps {
		return append(items, line), nil
	}
	var l hodei.LogLine
	if err := json.Unmarshal(line, &l); err != nil {
		return items, err
	}
	if !filter.Match(l) {
		return items, nil
	}
	if !timestamps {
		line = schemas.WithoutTimestamp(l)
	}
	return append(items, line), nil
}

// keepDays makes the partitions of the coming days and drops those of which
// the retention is over.
func (m *Manager) keepDays(ctx context.Context) error {
	now := time.Now()
	for ahead := range 3 {
		if err := m.db.CreateLogDay(ctx, now.AddDate(0, 0, ahead)); err != nil {
			return err
		}
	}
	dropped, err := m.db.DropLogDays(ctx, now.Add(-m.cfg.LogRetention))
	if dropped > 0 {
		m.log.InfoContext(ctx, "old logs dropped", "days", dropped)
	}
	return err
}
