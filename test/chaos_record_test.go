//go:build linux

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// chronicle makes Postgres record every state of every execution, in the
// transaction that sets it: the history to judge, in an order that needs no
// clock. For an end it also counts the recorded lines of the log.
const chronicle = `
CREATE TABLE chaos_history (n bigserial PRIMARY KEY, execution uuid NOT NULL, old text, new text NOT NULL,
	worker uuid, incarnation text, reason text, lines bigint, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO chaos_history (execution, old, new, worker, incarnation, reason, lines) VALUES (NEW.id,
		CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status, NEW.worker_id, NEW.worker_incarnation, NEW.reason,
		CASE WHEN NEW.completed_at IS NOT NULL THEN (SELECT coalesce(sum(last_sequence - first_sequence + 1), 0)
			FROM execution_logs WHERE day = NEW.log_day AND execution_id = NEW.id) END);
	RETURN NULL; END $$;
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OF status ON executions FOR EACH ROW EXECUTE FUNCTION chaos_note();`

// step is one entry of the chronicle.
type step struct {
	old, new, worker, incarnation, reason string
	lines                                 int64 // recorded at the end, -1 before
	at                                    time.Time
}

func (s step) String() string {
	return strings.TrimRight(fmt.Sprintf("%s -> %s %s %s %s", s.old, s.new, s.worker, s.incarnation, s.reason), " ")
}

// entry is an execution in the record.
type entry struct {
	id, job, status, reason, worker, incarnation, retryOf string
	key                                                   string // of our work, or the run and its job; "" for neither
	attempt, retriesMax                                   int
	retriesOn                                             []string // nil for the default
	exitCode                                              string
	cancelWanted                                          bool
	logCount                                              int64
	created, completed                                    time.Time
	notBefore                                             time.Time // the epoch if it could start at once
}

func (e entry) String() string {
	type plain entry
	return fmt.Sprintf("%+v", plain(e))
}

// record is everything that is known at the end.
type record struct {
	executions map[string]entry
	byKey      map[string][]entry // first attempts
	after      map[string][]entry // by the execution that they retry
	history    map[string][]step
	ends       map[string][]string // distinct end events
	begun      map[string][]string // lines of the witness
}

// feed keeps the received end events, because a stream may be deleted.
type feed struct {
	mu   sync.Mutex
	ends map[string]map[string]bool
	runs map[hodei.RunID]map[string]bool // distinct events: see addRun
}

func (f *feed) add(subject string, data []byte) {
	if strings.HasPrefix(subject, "run.") {
		var event schemas.RunEvent
		if json.Unmarshal(data, &event) == nil {
			f.addRun(event)
		}
		return
	}
	var event schemas.Event
	if json.Unmarshal(data, &event) != nil || !event.Execution.Status.Ended() || event.Execution.CompletedAt == nil {
		return // not an end event, or hostile
	}
	e := event.Execution
	reason, code := "", "none"
	if e.Reason != nil {
		reason = string(*e.Reason)
	}
	if e.ExitCode != nil {
		code = fmt.Sprint(*e.ExitCode)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := e.ID.String()
	if f.ends[id] == nil {
		f.ends[id] = map[string]bool{}
	}
	f.ends[id][fmt.Sprintf("%s %s exit %s lines %d at %s", e.Status, reason, code, e.LogCount, e.CompletedAt.Format(time.RFC3339Nano))] = true
}

// listen follows the feed.
func (w *arena) listen() *feed {
	f := &feed{ends: map[string]map[string]bool{}, runs: map[hodei.RunID]map[string]bool{}}
	nc := w.connect()
	for _, subjects := range []string{schemas.EventSubjects, schemas.RunEventSubjects} {
		_, err := nc.Subscribe(subjects, func(msg *nats.Msg) { f.add(msg.Subject, msg.Data) })
		require.NoError(w.t, err)
	}
	return f
}

// reread adds the events that EXECUTION_EVENTS still has.
func (w *arena) reread(f *feed) {
	js, err := jetstream.New(w.connect())
	require.NoError(w.t, err)
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Minute)
	defer cancel()
	stream, err := js.Stream(ctx, schemas.EventStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // a flaw, already recorded
		return
	}
	require.NoError(w.t, err)
	left := stream.CachedInfo().State.Msgs
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	require.NoError(w.t, err)
	for left > 0 {
		batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(5*time.Second))
		for err == nil && left > 0 {
			msg, more := <-batch.Messages()
			if !more {
				break
			}
			f.add(msg.Subject(), msg.Data())
			left--
		}
		require.NoError(w.t, ctx.Err(), "%d events are not delivered: %v", left, err)
	}
}

// readRecord reads everything that is judged.
func (w *arena) readRecord(f *feed) *record {
	r := &record{
		executions: map[string]entry{}, byKey: map[string][]entry{}, after: map[string][]entry{},
		history: map[string][]step{}, ends: map[string][]string{}, begun: map[string][]string{},
	}
	id := func(u *uuid.UUID) string {
		if u == nil {
			return ""
		}
		return hodei.ExecutionID(*u).String()
	}
	rows, err := w.db.Query(w.ctx, `SELECT id, coalesce(job_id::text, ''), status, coalesce(reason, ''), coalesce(worker_id::text, ''),
		coalesce(worker_incarnation, ''), retry_of, coalesce(run_id::text || '/' || job_key, spec->'environment'->>'CHAIN', ''), attempt,
		coalesce((spec->'retries'->>'max')::int, 0), ARRAY(SELECT jsonb_array_elements_text(spec->'retries'->'on')), coalesce(exit_code::text, ''),
		cancel_requested_at IS NOT NULL, log_count, created_at, coalesce(completed_at, 'epoch'), coalesce(not_before, 'epoch') FROM executions ORDER BY id`)
	require.NoError(w.t, err)
	for rows.Next() {
		var e entry
		var self, retryOf *uuid.UUID
		require.NoError(w.t, rows.Scan(&self, &e.job, &e.status, &e.reason, &e.worker, &e.incarnation, &retryOf, &e.key, &e.attempt,
			&e.retriesMax, &e.retriesOn, &e.exitCode, &e.cancelWanted, &e.logCount, &e.created, &e.completed, &e.notBefore))
		e.id, e.retryOf = id(self), id(retryOf)
		if len(e.retriesOn) == 0 {
			e.retriesOn = nil
		}
		r.executions[e.id] = e
		if retryOf == nil {
			r.byKey[e.key] = append(r.byKey[e.key], e)
		} else {
			r.after[e.retryOf] = append(r.after[e.retryOf], e)
		}
	}
	require.NoError(w.t, rows.Err())
	rows, err = w.db.Query(w.ctx, `SELECT execution, coalesce(old, ''), new, coalesce(worker::text, ''), coalesce(incarnation, ''),
		coalesce(reason, ''), coalesce(lines, -1), at FROM chaos_history ORDER BY n`)
	require.NoError(w.t, err)
	var of *uuid.UUID
	var s step
	_, err = pgx.ForEachRow(rows, []any{&of, &s.old, &s.new, &s.worker, &s.incarnation, &s.reason, &s.lines, &s.at}, func() error {
		r.history[id(of)] = append(r.history[id(of)], s)
		return nil
	})
	require.NoError(w.t, err)
	f.mu.Lock()
	for id, ends := range f.ends {
		for end := range ends {
			r.ends[id] = append(r.ends[id], end)
		}
	}
	f.mu.Unlock()
	for _, line := range w.lines("witness") {
		id, rest, _ := strings.Cut(line, " ")
		r.begun[id] = append(r.begun[id], rest)
	}
	return r
}

// lines returns the lines of a file that commands write to; none if it is
// missing.
func (w *arena) lines(name string) (lines []string) {
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if !os.IsNotExist(err) {
		require.NoError(w.t, err)
	}
	for line := range bytes.Lines(text) {
		lines = append(lines, strings.TrimSuffix(string(line), "\n"))
	}
	return lines
}
