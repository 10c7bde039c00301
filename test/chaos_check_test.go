//go:build linux

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// judge finds broken promises, and returns how many of each kind were checked.
func (w *arena) judge(l *ledger, r *record, all *audience, runs *runLedger, own *triggers, tales map[hodei.RunID]*tale) map[string]int {
	checks := map[string]int{}
	check := func(name string, execution string, ok bool, format string, args ...any) {
		checks[name]++
		if !ok {
			w.flaw(execution, format, args...)
		}
	}
	w.judgeAnswers(l, r, check)
	tags := map[string]string{}
	for id, e := range r.executions {
		w.judgeHistory(e, r.history[id], check)
		w.judgeStart(e, r.begun[id], tags, check)
		check("one end event", id, len(r.ends[id]) <= 1, "the feed has %d ends: %s", len(r.ends[id]), strings.Join(r.ends[id], "; "))
		for _, end := range r.ends[id] {
			check("end event as recorded", id, strings.HasPrefix(end, e.status+" "+e.reason+" ") && strings.Contains(end, fmt.Sprintf(" lines %d ", e.logCount)),
				"the feed has a different end: %s", end)
		}
		w.judgeRetry(e, r, check)
	}
	for id := range r.begun {
		_, known := r.executions[id]
		check("starts known", id, known, "was started and is not in the record")
	}
	for _, line := range w.lines("overfull") {
		id, what, _ := strings.Cut(line, " ")
		check("capacity", id, false, "%s", what)
	}
	for _, line := range w.lines("overlap") {
		id, _, _ := strings.Cut(line, " ")
		check("one attempt at a time", id, false, "began while an earlier attempt of the same still ran")
	}
	checks["capacity"] += len(r.begun)
	checks["one attempt at a time"] += len(r.begun)
	w.judgeRuns(runs, r, tales, check)
	w.judgeFiles(tales, check)
	own.judge(check)
	w.judgeLogs(l, r, all, check)
	return checks
}

type checkFunc = func(name, execution string, ok bool, format string, args ...any)

// judgeAnswers: what users were answered is true, and happened once.
func (w *arena) judgeAnswers(l *ledger, r *record, check checkFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.byID {
		e, ok := r.executions[id]
		check("accepted work recorded", id, ok, "was accepted (%s) and is not in the record", a.key)
		check("accepted work is ours", id, !ok || e.key == a.key, "is recorded with key %s, accepted with %s", e.key, a.key)
	}
	for key, entries := range r.byKey {
		var ids []string
		for _, e := range entries { // a request that was answered with 429 may be repeated
			if e.status != string(hodei.Cancelled) || e.reason != string(hodei.ReasonRejected) {
				ids = append(ids, e.id)
			}
		}
		check("one execution a key", entries[0].id, len(ids) <= 1, "key %s made %d executions: %v", key, len(ids), ids)
	}
	for key := range l.rejected {
		for _, e := range r.byKey[key] {
			check("rejected is final", e.id, e.status == string(hodei.Cancelled) && e.reason == string(hodei.ReasonRejected) && len(r.begun[e.id]) == 0,
				"%s was answered 429, and is %s %s, started %d times", key, e.status, e.reason, len(r.begun[e.id]))
		}
	}
	for id, status := range l.cancelled {
		check("cancelled is final", id, status != hodei.Cancelled || r.executions[id].status == string(hodei.Cancelled),
			"was answered CANCELLED and is %s", r.executions[id].status)
	}
}

// judgeHistory: the first step is the creation, every step is a legal
// transition, exactly one is the end, and none starts it before its time.
func (w *arena) judgeHistory(e entry, history []step, check checkFunc) {
	ends := 0
	for i, s := range history {
		before := ""
		if i > 0 {
			before = history[i-1].new
		}
		check("steps follow", e.id, s.old == before, "step %d is from %q, but it was %q", i+1, s.old, before)
		begins := s.new == string(hodei.Pending) || s.new == string(hodei.Running) // created with its assignment
		legal := i == 0 && begins ||
			hodei.ExecutionTransitions.Allows(hodei.ExecutionStatus(s.old), hodei.ExecutionStatus(s.new))
		check("steps are legal", e.id, legal, "step %d is illegal: %s", i+1, s)
		early := s.new == string(hodei.Running) && s.at.Before(e.notBefore)
		check("executions wait for their time", e.id, !early, "step %d is before %s: %s", i+1, e.notBefore, s)
		if hodei.ExecutionStatus(s.new).Ended() {
			ends++
			lost := s.reason == string(hodei.ReasonWorkerLost) // more lines may follow a gap
			check("log is whole when it ends", e.id, s.lines == e.logCount || lost && s.lines > e.logCount,
				"ended with %d lines when %d were recorded", e.logCount, s.lines)
		}
	}
	check("ended once", e.id, ends == 1, "has ended %d times", ends)
	check("history complete", e.id, len(history) > 0 && history[len(history)-1].new == e.status, "is %s, which no step made it", e.status)
}

// judgeStart: the execution started at most once, on the recorded worker, and
// certainly if it completed. A command does not see the incarnation of its
// worker but its tag, which is the same for all commands of an incarnation.
// tags maps each to the other.
func (w *arena) judgeStart(e entry, begun []string, tags map[string]string, check checkFunc) {
	check("started at most once", e.id, len(begun) <= 1, "was started %d times: %s", len(begun), strings.Join(begun, "; "))
	if e.status == string(hodei.Completed) {
		check("completed was started", e.id, len(begun) == 1, "COMPLETED and was started %d times", len(begun))
	}
	for _, at := range begun {
		at, tag, _ := strings.Cut(at, " ")
		if tags[tag] == "" && tags[e.incarnation] == "" {
			tags[tag], tags[e.incarnation] = e.incarnation, tag
		}
		check("started where recorded", e.id, at == "worker_"+e.worker && tag != "" && tags[tag] == e.incarnation && tags[e.incarnation] == tag,
			"was started on %s by an incarnation %q, the record has %s %s", at, tags[tag], e.worker, e.incarnation)
	}
}

// judgeRetry: an execution that failed and has retries left was retried once.
func (w *arena) judgeRetry(e entry, r *record, check checkFunc) {
	next := r.after[e.id]
	due := e.retriable() && e.attempt <= e.retriesMax && !e.cancelWanted
	switch {
	case due:
		check("retried", e.id, len(next) == 1, "should have been retried once and was %d times", len(next))
	case e.cancelWanted: // it may have failed before the cancel or because of it
		check("retried at most once", e.id, len(next) <= 1, "was retried %d times", len(next))
	default:
		check("not retried", e.id, len(next) == 0, "was retried %d times though nothing asks for it", len(next))
	}
	for _, n := range next {
		check("attempts count", n.id, n.attempt == e.attempt+1 && n.attempt <= e.retriesMax+1, "is attempt %d after %d of %d", n.attempt, e.attempt, e.retriesMax+1)
	}
}

// retriable reports whether the retry policy covers the end.
func (e entry) retriable() bool {
	if e.retriesOn == nil {
		return e.status == string(hodei.Failed) || e.status == string(hodei.TimedOut)
	}
	return slices.ContainsFunc([]string{e.status, e.reason, "exit:" + e.exitCode}, func(s string) bool { return slices.Contains(e.retriesOn, s) })
}

// awaitEnd waits until all accepted work has ended, all due retries have been made and
// all runs have ended.
func (w *arena) awaitEnd(within time.Duration) {
	const open = `SELECT (SELECT count(*) FROM executions WHERE completed_at IS NULL OR retry_at IS NOT NULL OR run_due)
		+ (SELECT count(*) FROM runs WHERE completed_at IS NULL)`
	left := -1
	for deadline := time.Now().Add(within); time.Now().Before(deadline); pause(w.ctx, 200*time.Millisecond) {
		if err := w.db.QueryRow(w.ctx, open).Scan(&left); err == nil && left == 0 {
			return
		}
	}
	w.flaw("", "%d executions and runs have not ended %s after everything was whole again", left, within)
}

// judgeRest: nothing waits, no slot is held, nothing runs.
func (w *arena) judgeRest() {
	idle := func(what string, ok func() (bool, string)) {
		why, good := "", false
		for deadline := time.Now().Add(lostAfter + 30*time.Second); !good && time.Now().Before(deadline); pause(w.ctx, 200*time.Millisecond) {
			good, why = ok()
		}
		if !good {
			w.flaw("", "%s: %s", what, why)
		}
	}
	idle("the queue is empty at both edges", func() (bool, string) {
		for _, edge := range w.edges {
			if status, queue, err := w.try("GET", edge+"/queue", "", nil); err != nil || status != 200 || queue["total"] != 0.0 {
				return false, fmt.Sprint(status, queue, err)
			}
		}
		return true, ""
	})
	idle("the workers are idle", func() (bool, string) {
		available := 0
		_, list, err := w.try("GET", w.edges[0]+"/workers?limit=1000", "", nil)
		items, _ := list["items"].([]any)
		for _, item := range items {
			at := item.(object)
			if at["running"] != 0.0 {
				return false, fmt.Sprint(at)
			}
			if at["status"] == "AVAILABLE" && at["capacity"] == at["total_capacity"] {
				available++
			}
		}
		return err == nil && available == len(fleetOf), fmt.Sprint(list, err)
	})
	idle("everything is ready", func() (bool, string) {
		for _, edge := range w.edges {
			if status, health, err := w.try("GET", edge+"/readyz", "", nil); err != nil || status != 200 {
				return false, fmt.Sprint(status, health, err)
			}
		}
		return true, ""
	})
	idle("no process of any command is left", func() (bool, string) {
		left := w.strays()
		return len(left) == 0, strings.Join(left, "; ")
	})
}

// strays returns the processes with an execution of this arena in their
// environment.
func (w *arena) strays() (left []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		environ, _ := os.ReadFile(path) // empty if the process has ended
		vars := strings.Split(string(environ), "\x00")
		ours := slices.ContainsFunc(vars, func(v string) bool { return strings.HasPrefix(v, "HOME="+w.dir+"/") })
		at := slices.IndexFunc(vars, func(v string) bool { return strings.HasPrefix(v, "HODEI_EXECUTION_ID=") })
		if ours && at >= 0 {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			left = append(left, fmt.Sprintf("%s %s %.80s", filepath.Base(filepath.Dir(path)), vars[at], strings.ReplaceAll(string(command), "\x00", " ")))
		}
	}
	return left
}
