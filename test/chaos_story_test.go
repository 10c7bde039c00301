//go:build linux

package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// incident is one fault, listed to explain a failure. No check uses its time.
type incident struct {
	at   time.Duration // since the start
	what string
}

// flaw is a broken promise.
type flaw struct {
	execution string // "" for none
	what      string
}

func (w *arena) note(format string, args ...any) {
	h := incident{time.Since(w.began), fmt.Sprintf(format, args...)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, h)
}

// flaw records a broken promise about an execution ("" for none).
func (w *arena) flaw(execution, format string, args ...any) {
	f := flaw{execution, fmt.Sprintf(format, args...)}
	w.note("FLAW %s %s", execution, f.what)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flaws = append(w.flaws, f)
}

// describeLocks logs the activity and the locks of Postgres.
func (w *arena) describeLocks() {
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	rows, err := w.db.Query(ctx, `SELECT format('%s %s for %s, waits for %s %s, blocked by %s: %s', pid, state, now() - state_change, wait_event_type,
		wait_event, pg_blocking_pids(pid), left(regexp_replace(query, '\s+', ' ', 'g'), 120)) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()`)
	if err == nil {
		var busy []string
		busy, err = pgx.CollectRows(rows, pgx.RowTo[string])
		for _, line := range busy {
			w.note("    Postgres: %s", line)
		}
	}
	if err != nil {
		w.note("    cannot read the activity of Postgres: %v", err)
	}
}

// most is how many flaws are reported in full.
const most = 12

// report fails the test for every flaw, with the record, history and events of
// the execution, the faults during it, and the processes' log lines about it.
func (w *arena) report(r *record) {
	w.mu.Lock()
	flaws, events := slices.Clone(w.flaws), slices.Clone(w.events)
	w.mu.Unlock()
	var all strings.Builder
	for _, h := range events {
		fmt.Fprintf(&all, "%8.3f %s\n", h.at.Seconds(), h.what)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "timeline"), []byte(all.String()), 0o644); err != nil {
		w.t.Logf("timeline not kept: %v", err)
	}
	shown := map[string]bool{}
	for i, f := range flaws {
		w.t.Errorf("%s %s", f.execution, f.what)
		if i < most && f.execution != "" && !shown[f.execution] {
			shown[f.execution] = true
			w.t.Logf("%s", w.story(f.execution, r, events))
		}
	}
}

// story returns everything known about an execution.
func (w *arena) story(id string, r *record, events []incident) string {
	var s strings.Builder
	fmt.Fprintf(&s, "the story of %s\n", id)
	from, to := time.Duration(0), time.Since(w.began)
	if r != nil {
		if e, ok := r.executions[id]; ok {
			fmt.Fprintf(&s, "  record: %s\n", e)
			from = e.created.Sub(w.began) - 5*time.Second
			if !e.completed.IsZero() {
				to = e.completed.Sub(w.began) + 5*time.Second
			}
		}
		for _, h := range r.history[id] {
			fmt.Fprintf(&s, "  history: %8.3f %s\n", h.at.Sub(w.began).Seconds(), h)
		}
		for _, e := range r.ends[id] {
			fmt.Fprintf(&s, "  end event: %s\n", e)
		}
		for _, begun := range r.begun[id] {
			fmt.Fprintf(&s, "  begun: %s\n", begun)
		}
	}
	for _, h := range events {
		if h.at >= from && h.at <= to {
			fmt.Fprintf(&s, "  done: %8.3f %s\n", h.at.Seconds(), h.what)
		}
	}
	for _, line := range w.logged(id) {
		fmt.Fprintf(&s, "  log: %s\n", line)
	}
	return s.String()
}

// logged returns the processes' log lines about an execution.
func (w *arena) logged(id string) (lines []string) {
	paths, _ := filepath.Glob(filepath.Join(w.logs, "*")) // the pattern is well formed
	needle := []byte(strings.TrimPrefix(id, "exec_"))
	for _, path := range paths {
		text, _ := os.ReadFile(path) // a file of the test
		for line := range bytes.Lines(text) {
			if bytes.Contains(line, needle) && len(lines) < 200 {
				lines = append(lines, filepath.Base(path)+": "+strings.TrimSpace(string(line[:min(len(line), 600)])))
			}
		}
	}
	return lines
}
