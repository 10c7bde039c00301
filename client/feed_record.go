package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// patience is how many times the record of an ended execution is asked for a
// line before that is held to be gone; some two seconds.
const patience = 6

// history reads from the record. It is not ok when the record does not have
// the line, or cannot be asked, for the moment.
func (f *Feed) history(ctx context.Context, next int64, v view, asked int) (Batch, bool, error) {
	soon, cancel := context.WithTimeout(ctx, api) // a request is lost with its connection
	defer cancel()
	page, err := rpc.Call(soon, f.cfg.NATS, schemas.GetLogs, schemas.GetLogsRequest{
		ID: f.cfg.ID, Cursor: strconv.FormatInt(next-1, 10), Limit: v.want,
	})
	switch {
	case ctx.Err() != nil:
		return Batch{}, false, ctx.Err()
	case err != nil && final(err):
		return Batch{}, false, err
	case err != nil:
		f.cfg.Log.Debug("log record not read", "sequence", next, "err", err)
		return Batch{}, false, nil
	}
	f.learn(page)
	gone := v.end != nil && asked >= patience
	if len(page.Items) == 0 {
		return Batch{End: v.end}, gone, nil
	}
	batch, err := joined(page.Items)
	if err != nil {
		return Batch{}, false, fmt.Errorf("read the log of %s: %w", f.cfg.ID, err)
	}
	return batch, batch.First == next || gone, nil
}

// joined is the lines up to the first that is missing between them.
func joined(items []json.RawMessage) (Batch, error) {
	first, err := sequence(items[0])
	if err != nil {
		return Batch{}, err
	}
	last, err := sequence(items[len(items)-1])
	if err != nil {
		return Batch{}, err
	}
	for i := 1; last-first != int64(len(items)-1); i++ {
		at, err := sequence(items[i])
		if err != nil {
			return Batch{}, err
		}
		if at != first+int64(i) {
			items, last = items[:i], first+int64(i-1)
		}
	}
	var lines bytes.Buffer
	for _, item := range items {
		lines.Write(item)
		lines.WriteByte('\n')
	}
	return Batch{First: first, Last: last, Lines: lines.Bytes()}, nil
}

func sequence(line json.RawMessage) (int64, error) {
	var at struct {
		Sequence int64 `json:"sequence"`
	}
	err := json.Unmarshal(line, &at)
	return at.Sequence, err
}

// look asks the record how far the execution is.
func (f *Feed) look(ctx context.Context) error {
	none := schemas.Tail(0)
	page, err := rpc.Call(ctx, f.cfg.NATS, schemas.GetLogs, schemas.GetLogsRequest{
		ID: f.cfg.ID, LogOptions: schemas.LogOptions{Tail: &none}, Limit: 1,
	})
	if err == nil {
		f.learn(page)
	}
	return err
}

// learn takes in what a page of the record tells beside its lines.
func (f *Feed) learn(page schemas.LogPage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(schemas.LogEnd{
		ExecutionID: f.cfg.ID, Status: page.Status, ExitCode: page.ExitCode, LogCount: page.LogCount,
	})
}
