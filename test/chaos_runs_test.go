//go:build linux

package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

// mostGraphs is how many pipelines there are; each has runs at the same time. The jobs of
// those from firstCaller on may start runs of those before it.
const (
	mostGraphs  = 10
	firstCaller = 6
)

// graphScripts are the commands of the jobs of a graph. How each ends depends on its
// attempt at most.
var graphScripts = []struct {
	weight  int
	body    string
	timeout string
	files   bool
}{
	{weight: 5, body: makesFiles, files: true},
	{weight: 14, body: `echo v=1 >> $HODEI_OUTPUT; echo 'legs=["x", "y", "z"]' >> $HODEI_OUTPUT`},
	{weight: 6, body: `alone seq 1 20; alone sleep 0.4; echo v=2 >> $HODEI_OUTPUT`},
	{weight: 2, body: `alone sleep 2`},
	{weight: 1, body: `exit 1`},
	{weight: 1, body: `exit 2`},
	{weight: 1, body: `[ $HODEI_ATTEMPT -gt 1 ] || exit 75`},
	{weight: 1, body: `[ $HODEI_ATTEMPT -gt 1 ]`},
	{weight: 1, body: `alone sleep 600`, timeout: "1s"},
}

// makeGraphs applies random pipelines before the faults begin, and returns their slugs.
func (w *arena) makeGraphs(r *rand.Rand) (slugs []string) {
	for n := range mostGraphs {
		slug := fmt.Sprintf("graph-%d", n)
		var callees []string
		if n >= firstCaller {
			callees = slugs[:firstCaller]
		}
		body, _ := json.Marshal(w.graph(r, slug, callees)) // strings and numbers always encode
		status, reply := call(w.t, "PUT", w.edges[0]+"/pipelines/"+slug, string(body))
		require.Equal(w.t, 201, status, "%v\n%s", reply, body)
		slugs = append(slugs, slug)
	}
	return slugs
}

// graph is a random pipeline, whose jobs may start the given ones. The param chain names what
// started a run of it.
func (w *arena) graph(r *rand.Rand, slug string, callees []string) object {
	jobs, last := object{}, object{}
	for i := range 3 + r.IntN(6) {
		job := w.graphJob(r, jobs)
		switch {
		case len(callees) == 0: // users answer only in runs that they have started
			if approval, ok := job["approval"].(object); ok {
				approval["timeout"] = "5s"
			}
		case r.IntN(2) == 0:
			calls(r, job, callees[r.IntN(len(callees))])
		}
		jobs[fmt.Sprintf("j%d", i)] = job
	}
	for i := range r.IntN(3) {
		job := w.graphJob(r, nil)
		delete(job, "approval")
		last[fmt.Sprintf("f%d", i)] = job
	}
	g := object{"slug": slug, "params": object{"chain": object{}, "side": object{"default": "left"}}, "jobs": jobs}
	if len(last) > 0 {
		g["finally"] = last
	}
	if r.IntN(5) == 0 {
		g["fail_fast"] = true
	}
	if r.IntN(5) == 0 {
		g["timeout"] = fmt.Sprintf("%ds", 6+r.IntN(20))
	}
	if r.IntN(2) == 0 {
		g["concurrency"] = object{
			"key": slug + "-${{ params.side }}", "limit": 1 + r.IntN(2),
			"on_conflict": []string{"queue", "queue", "cancel_waiting", "cancel_running", "reject"}[r.IntN(5)],
		}
	}
	return g
}

// calls has the job start another pipeline in place of its command.
func calls(r *rand.Rand, job object, slug string) {
	for _, field := range []string{"command", "priority", "type", "artifacts"} {
		delete(job, field)
	}
	if retries, ok := job["retries"].(object); ok && retries["on"] != nil {
		retries["on"] = []string{"JOB_FAILED", "TIMED_OUT", "REJECTED"}
	}
	if job["timeout"] != nil {
		job["timeout"] = fmt.Sprintf("%ds", 2+r.IntN(10))
	}
	job["pipeline"] = object{"slug": slug, "params": object{"side": []string{"left", "right"}[r.IntN(2)]}, "wait": r.IntN(5) > 0}
}

// graphJob is a random job that may need the given ones.
func (w *arena) graphJob(r *rand.Rand, earlier object) object {
	total := 0
	for _, s := range graphScripts {
		total += s.weight
	}
	at, script := r.IntN(total), graphScripts[0]
	for _, script = range graphScripts {
		if at -= script.weight; at < 0 {
			break
		}
	}
	job := object{"command": fmt.Sprintf("CHAIN=$HODEI_RUN_ID.$HODEI_JOB SLOTS=1\n. %s/begin.sh\n%s%s", w.dir, strings.ReplaceAll(checksFiles, "$CHAOS", w.dir), script.body)}
	job["priority"] = 6 + r.IntN(4) // other work is mostly waiting
	if script.timeout != "" {
		job["timeout"] = script.timeout
	}
	if script.files {
		job["artifacts"] = []object{{"name": "files", "paths": []string{"out/**"}}}
	}
	needs, single := []string{}, []string{} // outputs are those of a job without a matrix
	for _, key := range slices.Sorted(maps.Keys(earlier)) {
		if r.IntN(3) == 0 {
			needs = append(needs, key)
			if earlier[key].(object)["matrix"] == nil {
				single = append(single, key)
			}
		}
	}
	if len(needs) > 0 {
		job["needs"] = needs
	}
	w.addRules(r, job, single)
	return job
}

// addRules adds some of the rules that decide whether, when and how often a job runs. It
// may read outputs of the given needs.
func (w *arena) addRules(r *rand.Rand, job object, needs []string) {
	one := func(of int) bool { return r.IntN(of) == 0 }
	if one(3) {
		job["when"] = []string{"success", "failure", "always", "always"}[r.IntN(4)]
	}
	if one(6) {
		job["if"] = object{"params.side": "left"}
	}
	if len(needs) > 0 && one(5) {
		job["if"] = object{"needs." + needs[0] + ".outputs.v": []string{"1", "!3"}}
	}
	switch r.IntN(8) {
	case 0:
		job["allow_failure"] = true
	case 1:
		job["allow_failure"] = object{"exit_codes": []int{2}}
	}
	switch r.IntN(5) {
	case 0:
		job["retries"] = object{"max": 1 + r.IntN(2), "backoff": "200ms"}
	case 1:
		job["retries"] = object{"max": 2, "backoff": "100ms", "on": []string{"WORKER_LOST", "exit:75", "TIMED_OUT"}}
	}
	switch {
	case len(needs) > 0 && one(4):
		job["matrix"] = object{"from": "needs." + needs[0] + ".outputs.legs", "max_parallel": 1 + r.IntN(3)}
	case one(4):
		job["matrix"] = object{"values": object{"n": []int{1, 2, 3}}, "fail_fast": one(2), "max_parallel": 1 + r.IntN(3)}
	}
	if one(7) {
		job["approval"] = object{"message": "Run ${{ params.chain }} on?"}
		if one(2) {
			job["approval"] = object{"timeout": fmt.Sprintf("%ds", 2+r.IntN(8))}
		}
	}
	if one(4) {
		job["type"] = []string{"a", "b"}[r.IntN(2)]
	}
}

// started is a run that a user was answered with.
type started struct{ id, key, rerunOf string }

// runLedger is the view of those that start runs.
type runLedger struct {
	mu       sync.Mutex
	runs     map[string]started
	rejected map[string]bool // by key: answered that its concurrency key is taken
	acts     map[string]int  // answers, cancels and the like that were accepted
	ended    map[string]int  // by how they ended, once they are judged
}

func newRunLedger() *runLedger {
	return &runLedger{runs: map[string]started{}, rejected: map[string]bool{}, acts: map[string]int{}}
}

func (l *runLedger) accept(s started) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[s.id] = s
}

// summary logs what became of the runs and what was asked of them.
func (l *runLedger) summary(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("runs: %s", counts(l.ended))
	t.Logf("%d runs accepted, %d refused for their concurrency key; asked of them: %s", len(l.runs), len(l.rejected), counts(l.acts))
}

func (l *runLedger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acts[what]++
}

// runGraphs keeps starting runs until ctx is done, and attends to each until it has ended.
func (w *arena) runGraphs(ctx context.Context, l *ledger, runs *runLedger, r *rand.Rand, name string, slugs []string) {
	nc := w.connect()
	for n := 1; ctx.Err() == nil; n++ {
		if l.backlog.Load() > 2*mostWaiting {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		key, slug := fmt.Sprintf("r-%s-%d", name, n), slugs[r.IntN(len(slugs))]
		params := object{"chain": key, "side": []string{"left", "right"}[r.IntN(2)]}
		body := object{"params": params}
		if r.IntN(4) == 0 {
			body["not_before"] = time.Now().Add(time.Duration(r.IntN(4000)) * time.Millisecond)
		}
		s, ok := w.begin(runs, r, nc, started{key: key}, schemas.ExecutePipeline.Subject, "/pipelines/"+slug+"/execute", slug, body)
		if !ok {
			continue
		}
		w.attend(ctx, runs, r, nc, s)
		pause(ctx, time.Duration(r.IntN(500))*time.Millisecond)
	}
}

// begin asks for a run until there is an answer.
func (w *arena) begin(runs *runLedger, r *rand.Rand, nc *nats.Conn, s started, subject, path, id string, body object) (started, bool) {
	byNATS := r.IntN(2) == 0
	if byNATS {
		body["id"] = id
	}
	text, _ := json.Marshal(body) // strings and lists always encode
	for w.ctx.Err() == nil {
		var status int
		var reply object
		var err error
		if byNATS {
			status, reply, err = w.request(nc, subject, text, s.key)
		} else {
			status, reply, err = w.post(r, path, string(text), s.key)
		}
		made, _ := reply["id"].(string)
		switch {
		case err == nil && status < 300 && made != "":
			s.id = made
			runs.accept(s)
			return s, true
		case err == nil && status == 429:
			runs.mu.Lock()
			runs.rejected[s.key] = true
			runs.mu.Unlock()
			return s, false
		case err == nil && (status < 500 || reply["error"] == nil):
			w.flaw("", "run %s is answered %d %v", s.key, status, reply)
			return s, false
		case err == nil && status == 500:
			runs.count(fmt.Sprintf("answered 500: %v", reply["message"]))
		}
		pause(w.ctx, time.Duration(100+r.IntN(400))*time.Millisecond)
	}
	return s, false
}

// attend answers the approvals of a run, sometimes cancels it, and sometimes repeats it
// once it has ended.
func (w *arena) attend(ctx context.Context, runs *runLedger, r *rand.Rand, nc *nats.Conn, s started) {
	cancelAt := time.Now().Add(time.Duration(r.IntN(5000)) * time.Millisecond)
	cancels := r.IntN(6) == 0
	for w.ctx.Err() == nil {
		status, run, err := w.try("GET", w.edges[r.IntN(len(w.edges))]+"/runs/"+s.id, "", nil)
		if err == nil && status == 404 {
			w.flaw("", "run %s of %s was accepted and is not found", s.id, s.key)
			return
		}
		if err == nil && status == 200 {
			if run["completed_at"] != nil {
				break
			}
			w.answer(runs, r, s, run)
			if cancels && time.Now().After(cancelAt) {
				cancels = !w.act(runs, r, s, "cancel", "/runs/"+s.id+"/cancel", 202)
			}
		}
		pause(w.ctx, time.Duration(100+r.IntN(400))*time.Millisecond)
	}
	if ctx.Err() != nil || s.rerunOf != "" || r.IntN(3) > 0 {
		return
	}
	again := started{key: s.key + "-again", rerunOf: s.id}
	jobs := []any{"failed", "all", []string{"j0"}}[r.IntN(3)]
	if again, ok := w.begin(runs, r, nc, again, schemas.RerunRun.Subject, "/runs/"+s.id+"/rerun", s.id, object{"jobs": jobs}); ok {
		runs.count("rerun")
		w.attend(ctx, runs, r, nc, again)
	}
}

// answer approves or rejects some of the jobs that wait for that.
func (w *arena) answer(runs *runLedger, r *rand.Rand, s started, run object) {
	jobs, _ := run["jobs"].([]any)
	for _, j := range jobs {
		job := j.(object)
		if job["status"] != "BLOCKED" || r.IntN(2) == 0 {
			continue
		}
		what := []string{"approve", "approve", "reject"}[r.IntN(3)]
		w.act(runs, r, s, what, "/runs/"+s.id+"/jobs/"+url.PathEscape(job["key"].(string))+"/"+what, 200)
	}
}

// act makes one request about a run and reports whether it was answered. The run may be
// elsewhere by then, which is a conflict.
func (w *arena) act(runs *runLedger, r *rand.Rand, s started, what, path string, want int) bool {
	status, reply, err := w.post(r, path, "", "")
	switch {
	case err != nil || status >= 500:
		return false
	case status == want:
		runs.count(what)
	case status != 409:
		w.flaw("", "to %s run %s is answered %d %v", what, s.id, status, reply)
	}
	return true
}
