//go:build linux

package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	rules "github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// runChronicle makes Postgres record every change of a run and of its jobs, the
// executions that each transaction creates, and the ends that it takes in.
const runChronicle = `
CREATE TABLE chaos_runs (n bigserial PRIMARY KEY, tx bigint NOT NULL DEFAULT txid_current(), at timestamptz NOT NULL DEFAULT now(),
	run uuid NOT NULL, what text NOT NULL, entry jsonb NOT NULL);
CREATE FUNCTION chaos_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO chaos_runs (run, what, entry) VALUES (NEW.id, 'run', to_jsonb(NEW)); RETURN NULL; END $$;
CREATE FUNCTION chaos_run_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP = 'DELETE' THEN INSERT INTO chaos_runs (run, what, entry) VALUES (OLD.run_id, 'gone', to_jsonb(OLD));
	ELSE INSERT INTO chaos_runs (run, what, entry) VALUES (NEW.run_id, 'job', to_jsonb(NEW)); END IF; RETURN NULL; END $$;
CREATE FUNCTION chaos_run_execution() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO chaos_runs (run, what, entry) VALUES (NEW.run_id, CASE TG_OP WHEN 'INSERT' THEN 'start' ELSE 'end' END, to_jsonb(NEW)); RETURN NULL; END $$;
CREATE TRIGGER chaos_run AFTER INSERT OR UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION chaos_run();
CREATE TRIGGER chaos_run_job AFTER INSERT OR UPDATE OR DELETE ON run_jobs FOR EACH ROW EXECUTE FUNCTION chaos_run_job();
CREATE TRIGGER chaos_run_start AFTER INSERT ON executions FOR EACH ROW WHEN (NEW.run_id IS NOT NULL) EXECUTE FUNCTION chaos_run_execution();
CREATE TRIGGER chaos_run_end AFTER UPDATE OF run_due ON executions FOR EACH ROW WHEN (OLD.run_due AND NOT NEW.run_due) EXECUTE FUNCTION chaos_run_execution();`

// storedRun and storedJob are rows of runs and run_jobs.
type storedRun struct {
	hodei.Run
	Plan          hodei.RunPlan `json:"plan"`
	Revision      int64         `json:"revision"`
	ParentRunID   *hodei.RunID  `json:"parent_run_id"`
	ParentKey     string        `json:"parent_key"`
	ParentAttempt int           `json:"parent_attempt"`
	ParentWaits   bool          `json:"parent_waits"`
}

type storedJob struct {
	hodei.RunJob
	Position int           `json:"position"`
	Plan     hodei.JobPlan `json:"plan"`
	Spec     hodei.Spec    `json:"spec"`
	ChildID  *hodei.RunID  `json:"child_run_id"`
}

func (s storedJob) job() hodei.RunJob {
	j := s.RunJob
	j.Position, j.Plan, j.Spec = s.Position, s.Plan, s.Spec
	if s.ChildID != nil {
		j.Child = &hodei.ChildRun{RunID: *s.ChildID}
	}
	return j
}

// chapter is what one transaction changed of a run.
type chapter struct {
	tx     int64
	at     time.Time
	run    *storedRun
	jobs   []storedJob // as they became, in the order of the changes
	gone   []string
	ends   []hodei.Execution
	starts []hodei.Execution
}

// tale is everything recorded about a run.
type tale struct {
	chapters   []*chapter
	executions []hodei.Execution // when they were created
	events     map[string]bool   // distinct, as the feed had them: see described
}

// readTales reads the chronicle of all runs.
func (w *arena) readTales(f *feed) map[hodei.RunID]*tale {
	tales := map[hodei.RunID]*tale{}
	rows, err := w.db.Query(w.ctx, `SELECT tx, at, run, what, entry FROM chaos_runs ORDER BY n`)
	require.NoError(w.t, err)
	var tx int64
	var at time.Time
	var id hodei.RunID
	var what string
	var entry []byte
	_, err = pgx.ForEachRow(rows, []any{&tx, &at, &id, &what, &entry}, func() error {
		t := tales[id]
		if t == nil {
			t = &tale{events: map[string]bool{}}
			tales[id] = t
		}
		i := slices.IndexFunc(t.chapters, func(c *chapter) bool { return c.tx == tx })
		if i < 0 {
			i, t.chapters = len(t.chapters), append(t.chapters, &chapter{tx: tx, at: at})
		}
		return t.add(t.chapters[i], what, entry)
	})
	require.NoError(w.t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, events := range f.runs {
		if t := tales[id]; t != nil { // others are hostile
			t.events = events
		}
	}
	return tales
}

func (t *tale) add(c *chapter, what string, entry []byte) (err error) {
	var e hodei.Execution
	var j storedJob
	switch what {
	case "run":
		c.run = &storedRun{}
		return json.Unmarshal(entry, c.run)
	case "job", "gone":
		if err = json.Unmarshal(entry, &j); what == "job" {
			c.jobs = append(c.jobs, j)
		} else {
			c.gone = append(c.gone, j.Key)
		}
	case "start":
		if err = json.Unmarshal(entry, &e); e.Attempt == 1 {
			c.starts = append(c.starts, e)
		}
		t.executions = append(t.executions, e)
	case "end":
		err = json.Unmarshal(entry, &e)
		c.ends = append(c.ends, e)
	}
	return err
}

// calls reports whether a job of the run starts another pipeline. What a step of such a run
// has read of the other runs is not in the chronicle, so it cannot be repeated.
func (t *tale) calls() bool {
	for _, c := range t.chapters {
		if slices.ContainsFunc(c.jobs, func(j storedJob) bool { return j.Spec.Pipeline != nil }) {
			return true
		}
	}
	return false
}

// states are those that the run and its jobs had, as they were recorded.
func (t *tale) states() map[string]bool {
	states, jobs := map[string]bool{}, map[string]hodei.RunJob{}
	for _, c := range t.chapters {
		for _, j := range c.jobs {
			jobs[j.Key] = j.job()
		}
		if c.run == nil {
			continue
		}
		states[described(c.run.Run, nil)] = true
		for _, j := range jobs {
			states[described(c.run.Run, &j)] = true
		}
	}
	return states
}

// replay repeats a run with the pure function alone: each transaction's ends, answers
// and requests to cancel, at its time. It returns the first difference from the record,
// "" for none, and every state that the run and its jobs had.
func (t *tale) replay() (difference string, states map[string]bool) {
	states = map[string]bool{}
	var r *hodei.Run
	stored := map[string]hodei.RunJob{}
	for n, c := range t.chapters {
		for _, key := range c.gone {
			delete(stored, key)
		}
		for _, j := range c.jobs {
			stored[j.Key] = j.job()
		}
		var steps rules.Steps
		switch {
		case r == nil:
			if c.run == nil {
				return "begins without a run", states
			}
			r = opened(c, stored)
			steps = rules.Advance(r, nil, c.at, nil)
		case c.run == nil || c.run.Revision == r.Revision:
			if len(c.jobs)+len(c.gone)+len(c.ends)+len(c.starts) > 0 {
				return fmt.Sprintf("step %d changes jobs without a revision of the run", n), states
			}
			adopt(r, c.run)
			continue
		default:
			if err := decide(r, c); err != nil {
				return fmt.Sprintf("step %d decides what the rules refuse: %v", n, err), states
			}
			steps = rules.Advance(r, c.ends, c.at, nil)
		}
		if was := r.Revision; c.run.Revision != was+1 {
			return fmt.Sprintf("step %d has revision %d after %d", n, c.run.Revision, was), states
		}
		r.Revision = c.run.Revision
		if why := differs(r, c, stored, steps); why != "" {
			return fmt.Sprintf("step %d: %s", n, why), states
		}
		states[described(*r, nil)] = true
		for _, j := range r.Jobs {
			states[described(*r, &j)] = true
		}
	}
	return "", states
}

// opened is a new run before its first step.
func opened(c *chapter, stored map[string]hodei.RunJob) *hodei.Run {
	r := c.run.Run
	r.Plan = c.run.Plan
	r.Plan.ActiveSince, r.Plan.SpentSeconds, r.Plan.Stopping, r.Plan.StopFinally = nil, 0, nil, false
	r.Status, r.CompletedAt = hodei.RunRunning, nil
	if r.StartedAt == nil {
		r.Status = hodei.RunPending
	}
	if !r.Plan.Held {
		r.Reason = reasonToWait(c)
	}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		j := stored[key]
		if r.RerunOf == nil {
			j.Plan = hodei.JobPlan{}
		}
		if r.RerunOf == nil || !j.Status.Ended() { // a rerun takes over results
			j.Status, j.Reason, j.Attempt, j.ExecutionID, j.CompletedAt = hodei.JobWaiting, nil, 0, nil, nil
		}
		r.Jobs = append(r.Jobs, j)
	}
	slices.SortFunc(r.Jobs, func(x, y hodei.RunJob) int { return x.Position - y.Position })
	return &r
}

// reasonToWait is why a run that is not held waits after a step, nil for one that has started.
func reasonToWait(c *chapter) *hodei.Reason {
	if c.run.StartedAt != nil {
		return nil
	}
	return new(hodei.ReasonConcurrency)
}

// adopt takes in what another run with the same concurrency key asked of this one.
func adopt(r *hodei.Run, row *storedRun) {
	if row != nil {
		r.Plan.Stopping, r.CancelRequestedAt = row.Plan.Stopping, row.CancelRequestedAt
	}
}

// decide takes in what a step was about besides ends: its admission, a request to cancel
// it, or an answer.
func decide(r *hodei.Run, c *chapter) error {
	if r.Plan.Held && !c.run.Plan.Held { // its time has come, as if it were new
		r.Plan.Held, r.Reason = false, reasonToWait(c)
		if c.run.StartedAt == nil && word(c.run.Plan.Stopping) == string(hodei.ReasonRejected) {
			r.Plan.Stopping = c.run.Plan.Stopping
		}
	}
	if r.Status == hodei.RunPending && r.Plan.Stopping == nil && c.run.StartedAt != nil {
		r.Status, r.StartedAt, r.Reason = hodei.RunRunning, c.run.StartedAt, nil
	}
	again := c.run.Plan.StopFinally && !r.Plan.StopFinally && r.Status == hodei.RunRunning
	if c.run.CancelRequestedAt != nil && r.CancelRequestedAt == nil || again {
		if c.run.ParentRunID != nil { // by the job that started it
			rules.Stop(r, c.at)
		} else if err := rules.Cancel(r, hodei.ReasonCancelled, c.at); err != nil {
			return err
		}
	}
	for _, j := range c.jobs {
		i := slices.IndexFunc(r.Jobs, func(known hodei.RunJob) bool { return known.Key == j.Key })
		if i < 0 || j.Approval == nil || j.Approval.Approved == nil || r.Jobs[i].Approval.Approved != nil {
			continue
		}
		if err := rules.Reply(r, j.Key, rules.Answer{Approved: *j.Approval.Approved}, c.at); err != nil {
			return err
		}
	}
	return nil
}

// differs compares a step of the pure function with what its transaction recorded.
func differs(r *hodei.Run, c *chapter, stored map[string]hodei.RunJob, steps rules.Steps) string {
	own, recorded := *r, c.run.Run
	recorded.Plan = c.run.Plan
	if is, was := inFull(own), inFull(recorded); is != was {
		return fmt.Sprintf("the run is %s, and recorded as %s", is, was)
	}
	for _, j := range r.Jobs {
		row, ok := stored[j.Key]
		if !ok {
			return fmt.Sprintf("job %s is not recorded", j.Key)
		}
		if is, was := jobInFull(j), jobInFull(row); is != was {
			return fmt.Sprintf("job %s is %s, and recorded as %s", j.Key, is, was)
		}
	}
	if len(stored) != len(r.Jobs) {
		return fmt.Sprintf("it has %d jobs, and %d are recorded", len(r.Jobs), len(stored))
	}
	if is, was := startsOf(steps.Start), startsOf(c.starts); is != was {
		return fmt.Sprintf("it starts %s, and recorded are %s", is, was)
	}
	return ""
}

func startsOf(all []hodei.Execution) string {
	var keys []string
	for _, e := range all {
		keys = append(keys, *e.JobKey)
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

func inFull(r hodei.Run) string {
	return fmt.Sprintf("%s %s warnings %d stopping %s finally %t cancelled %t", r.Status, word(r.Reason), r.Warnings, word(r.Plan.Stopping),
		r.Plan.StopFinally, r.CancelRequestedAt != nil)
}

func jobInFull(j hodei.RunJob) string {
	outputs, _ := json.Marshal(j.Outputs) // texts always encode
	s := fmt.Sprintf("%s %s attempt %d warning %t outputs %s stopping %s", j.Status, word(j.Reason), j.Attempt, j.Warning, outputs, word(j.Plan.Stopping))
	if j.Plan.Condition != nil {
		s += fmt.Sprintf(" condition %t", *j.Plan.Condition)
	}
	if j.Approval != nil && j.Approval.Approved != nil {
		s += fmt.Sprintf(" approved %t", *j.Approval.Approved)
	}
	return s
}

func word(r *hodei.Reason) string {
	if r == nil {
		return "-"
	}
	return string(*r)
}

// described is the state that an event of the run, or of one of its jobs, shows.
func described(r hodei.Run, j *hodei.RunJob) string {
	if j == nil {
		return fmt.Sprintf("%s %s", r.Status, word(r.Reason))
	}
	return fmt.Sprintf("%s %s: %s %s %s %d", r.Status, word(r.Reason), j.Key, j.Status, word(j.Reason), j.Attempt)
}

// addRun keeps an event of a run.
func (f *feed) addRun(event schemas.RunEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs[event.Run.ID] == nil {
		f.runs[event.Run.ID] = map[string]bool{}
	}
	kind := event.Type[strings.LastIndexByte(event.Type, '.')+1:]
	f.runs[event.Run.ID][kind+" | "+described(event.Run, event.Job)] = true
}
