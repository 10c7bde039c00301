//go:build linux

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// judgeLogs: the recorded log of every execution has the lines 1 to log_count,
// each once. A completed execution has the output of its script. HTTP readers
// and followers get the same lines.
func (w *arena) judgeLogs(l *ledger, r *record, all *audience, check checkFunc) {
	printed := map[string][]string{} // by execution, up to log_count
	rows, err := w.db.Query(w.ctx, `SELECT execution_id::text, first_sequence, last_sequence, lines, size FROM execution_logs ORDER BY execution_id, first_sequence`)
	require.NoError(w.t, err)
	var id string
	var first, last int64
	var frame []byte
	var size int
	at, of := int64(0), ""
	_, err = pgx.ForEachRow(rows, []any{&id, &first, &last, &frame, &size}, func() error {
		id := "exec_" + id
		if id != of {
			at, of = 0, id
		}
		e := r.executions[id]
		if first > e.logCount { // lines of a lost worker that arrived later
			check("nothing after the end", id, e.reason == string(hodei.ReasonWorkerLost), "has lines %d to %d, and log_count is %d", first, last, e.logCount)
			return nil
		}
		check("log is contiguous", id, first == at+1, "has lines %d to %d after line %d", first, last, at)
		at = first - 1 // sent twice
		for text := range bytes.Lines(decompressed(w.t, frame, size)) {
			var line hodei.LogLine
			at++
			err := json.Unmarshal(text, &line)
			check("lines are numbered", id, err == nil && line.Sequence == at, "line %d is %q", at, text)
			printed[id] = append(printed[id], line.Line)
		}
		check("chunks have the lines of their range", id, at == last, "chunk %d to %d ends with line %d", first, last, at)
		return nil
	})
	require.NoError(w.t, err)
	for id, e := range r.executions {
		check("log is whole", id, int64(len(printed[id])) == e.logCount, "has %d lines recorded, and log_count is %d", len(printed[id]), e.logCount)
		if a, ok := w.origin(l, r, e); ok && a.lines != nil && e.status == string(hodei.Completed) {
			check("log is what was printed", id, slices.Equal(a.lines, printed[id]), "printed %d lines, not the %d that it prints (%s)", len(printed[id]), len(a.lines), a.kind)
		}
	}
	w.judgeReading(printed, check)
	w.judgeFollowers(r, printed, all, check)
}

// origin returns the work of which an execution is an attempt.
func (w *arena) origin(l *ledger, r *record, e entry) (accepted, bool) {
	for e.retryOf != "" {
		e = r.executions[e.retryOf]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.byKey[e.key]
	return a, ok
}

// judgeReading reads every log over HTTP.
func (w *arena) judgeReading(printed map[string][]string, check checkFunc) {
	var mu sync.Mutex
	var readers sync.WaitGroup
	ids := make(chan string)
	for range 4 {
		readers.Go(func() {
			for id := range ids {
				text, err := w.readText(w.edges[len(printed[id])%len(w.edges)] + "/executions/" + id + "/logs")
				var want bytes.Buffer
				for _, line := range printed[id] {
					want.WriteString(line + "\n")
				}
				mu.Lock()
				check("log reads as recorded", id, err == nil && text == want.String(), "reads as %d bytes over HTTP, and is recorded as %d: %v", len(text), want.Len(), err)
				mu.Unlock()
			}
		})
	}
	for id := range printed {
		ids <- id
	}
	close(ids)
	readers.Wait()
}

func (w *arena) readText(url string) (string, error) {
	req, err := http.NewRequestWithContext(context.Background(), "GET", url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "text/plain")
	resp, err := impatient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(text), err
}

// judgeFollowers: each follower received every line once and then the recorded
// end. If a worker was lost, followers may have received more lines than the
// record has.
func (w *arena) judgeFollowers(r *record, printed map[string][]string, all *audience, check checkFunc) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, f := range all.seen {
		e := r.executions[f.id]
		if f.end == nil {
			check("followers see the end", f.id, false, "its follower has not seen the end")
			continue
		}
		check("followers see the end", f.id, string(f.end.Status) == e.status && f.end.LogCount == e.logCount,
			"its follower received the end %s with %d lines, the record has %s with %d", f.end.Status, f.end.LogCount, e.status, e.logCount)
		seen := f.lines
		if e.reason == string(hodei.ReasonWorkerLost) {
			seen = seen[:min(len(seen), len(printed[f.id]))]
		}
		check("followers see every line", f.id, slices.Equal(seen, printed[f.id]), "its follower saw %d lines, %d are recorded", len(f.lines), len(printed[f.id]))
	}
}
