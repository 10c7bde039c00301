//go:build linux

package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
)

// beginning is the start of every command. First it appends one line to the
// witness file. Then it takes the slots of its execution: each is a lock on a
// file that only its own shell holds, so the kernel releases it when the shell
// dies. The files belong to one incarnation of the worker, identified by its
// tag. If it cannot get enough locks for longer than a dying process may take,
// the worker runs more than its slots. A lock that all attempts of one piece of
// work share detects two that run at once.
const beginning = `echo "$HODEI_EXECUTION_ID $HODEI_WORKER_ID $HODEI_WORKER_TAG" >> $CHAOS/witness
home=${PWD%/state/*}
read cap < "$home/capacity"
alone() { "$@" 6>&- 7>&- 8>&- 9>&-; }
slots() {
  got=0 i=0
  while [ $got -lt $SLOTS ]; do
    i=$((i+1))
    [ $i -le $cap ] || return 1
    at="$home/slot.$HODEI_WORKER_TAG.$i"
    case $got in
    0) exec 7>"$at"; flock -n 7 && got=1 ;;
    1) exec 8>"$at"; flock -n 8 && got=2 ;;
    2) exec 9>"$at"; flock -n 9 && got=3 ;;
    esac
  done
}
tries=0
until slots; do
  exec 7>&- 8>&- 9>&-
  tries=$((tries+1))
  if [ $tries -gt 20 ]; then
    echo "$HODEI_EXECUTION_ID wants $SLOTS of $cap slots of $HODEI_WORKER_ID $HODEI_WORKER_TAG" >> $CHAOS/overfull
    break
  fi
  sleep 0.1
done
exec 6>"$CHAOS/chain.$CHAIN"
flock -n 6 || echo "$HODEI_EXECUTION_ID $HODEI_WORKER_ID $CHAIN" >> $CHAOS/overlap
`

// work is something to execute.
type work struct {
	key     string // idempotency key; its command sees it as CHAIN
	kind    string
	job     string // the job, "" for ad hoc
	byNATS  bool
	body    []byte
	lines   []string // the expected output if it completes, nil if unknown
	cancel  bool     // to be cancelled soon
	endless bool     // ends only by a cancel, a timeout or a loss
	reject  bool     // must not queue
}

// jobOf is a job created before the faults begin.
type jobOf struct {
	id      string
	slots   int
	timeout bool
	retries int
	secret  bool
}

// script is one kind of command.
type script struct {
	kind    string
	weight  int
	body    func(r *rand.Rand) (body string, lines []string)
	timeout float64
	cancel  bool
	endless bool
	secret  bool // only jobs with the secret can run it
}

func counted(n int, format string) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf(format, i+1))
	}
	return lines
}

var scripts = []script{
	{kind: "quick", weight: 30, body: func(r *rand.Rand) (string, []string) {
		n := r.IntN(40)
		return fmt.Sprintf("alone seq 1 %d", n), counted(n, "%d")
	}},
	{kind: "flood", weight: 6, body: func(r *rand.Rand) (string, []string) {
		n := 5000 + r.IntN(20000)
		return fmt.Sprintf("alone seq 1 %d", n), counted(n, "%d")
	}},
	{kind: "slow", weight: 24, body: func(r *rand.Rand) (string, []string) {
		n, gap := 5+r.IntN(30), 0.02+r.Float64()/8
		return fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; alone sleep %.2f; done", n, gap), counted(n, "line %d")
	}},
	{kind: "bursts", weight: 10, body: func(r *rand.Rand) (string, []string) {
		n := 2 + r.IntN(6)
		var lines []string
		for range n {
			lines = append(lines, counted(700, "%d")...)
		}
		return fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); alone seq 1 700; alone sleep 0.4; done", n), lines
	}},
	{kind: "fails", weight: 12, body: func(r *rand.Rand) (string, []string) {
		return fmt.Sprintf("alone seq 1 %d; alone sleep 0.2; exit %d", r.IntN(30), 1+r.IntN(100)), nil
	}},
	{kind: "leaves children", weight: 5, body: func(r *rand.Rand) (string, []string) {
		child := "sleep 600 6>&- 7>&- 8>&- 9>&- &"
		return child + child + " echo gone", []string{"gone"}
	}},
	{kind: "times out", weight: 4, timeout: 1, endless: true, body: func(r *rand.Rand) (string, []string) {
		return "echo waiting; alone sleep 600; exit 1", nil
	}},
	{kind: "ignores TERM", weight: 1, timeout: 0.5, endless: true, body: func(r *rand.Rand) (string, []string) {
		return "trap '' TERM; i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo still here; alone sleep 1; done; exit 1", nil
	}},
	{kind: "endless", weight: 6, endless: true, cancel: true, body: func(r *rand.Rand) (string, []string) {
		return "echo waiting; alone sleep 600; exit 1", nil
	}},
	{kind: "cancelled at once", weight: 5, cancel: true, body: func(r *rand.Rand) (string, []string) {
		return "alone sleep 0.5; echo done", []string{"done"}
	}},
	printsSecret,
}

// long is still running when its worker is declared lost and its next attempt
// begins.
var long = script{kind: "long", body: func(r *rand.Rand) (string, []string) {
	return fmt.Sprintf("echo begun; alone sleep %d; echo over", 12+r.IntN(10)), []string{"begun", "over"}
}}

// newWork returns random work.
func (w *arena) newWork(r *rand.Rand, key string, jobs []jobOf) work {
	total := 0
	for _, s := range scripts {
		total += s.weight
	}
	at, s := r.IntN(total), scripts[0]
	for _, s = range scripts {
		if at -= s.weight; at < 0 {
			break
		}
	}
	if usable := jobsFor(jobs, s); s.secret || r.IntN(2) == 0 {
		return w.workOf(r, key, s, usable)
	}
	return w.workOf(r, key, s, nil)
}

// longWork returns long work that starts soon and is retried.
func (w *arena) longWork(r *rand.Rand, key string, jobs []jobOf) work {
	usable := slices.DeleteFunc(jobsFor(jobs, long), func(j jobOf) bool { return j.retries == 0 || j.slots > 1 })
	return w.workOf(r, key, long, usable)
}

// workOf makes one of the jobs run the script, or none if there is none.
func (w *arena) workOf(r *rand.Rand, key string, s script, jobs []jobOf) work {
	body, lines := s.body(r)
	out := work{key: key, kind: s.kind, byNATS: r.IntN(2) == 0, lines: lines, cancel: s.cancel, endless: s.endless}
	environment := map[string]string{"CHAIN": key, "SLOTS": "1"}
	request := object{"command": fmt.Sprintf(". %s/begin.sh\n%s", w.dir, body), "environment": environment}
	if len(jobs) > 0 {
		job := jobs[r.IntN(len(jobs))]
		out.job = job.id
		environment["SLOTS"] = fmt.Sprint(job.slots)
		request["wait_seconds"] = float64(r.IntN(3)) * 0.2
		if out.reject = r.IntN(6) == 0; out.reject {
			request["if_no_worker"] = "reject"
		}
		if out.byNATS {
			request["id"] = job.id
		}
	} else {
		slots := []int{1, 1, 1, 2, 2, 3}[r.IntN(6)]
		environment["SLOTS"] = fmt.Sprint(slots)
		needs := object{"capacity": slots}
		switch r.IntN(4) {
		case 0:
			needs["type"] = []string{"a", "b"}[r.IntN(2)]
		case 1:
			needs["labels"] = object{"zone": []string{"x", "y"}[r.IntN(2)]}
			needs["capacity"], environment["SLOTS"] = min(slots, 2), fmt.Sprint(min(slots, 2))
		}
		request["requirements"] = needs
		if r.IntN(6) == 0 {
			request["not_before"] = time.Now().Add(time.Duration(r.IntN(4000)) * time.Millisecond)
		}
		if s.timeout > 0 {
			request["timeout_seconds"] = s.timeout
		}
	}
	out.body, _ = json.Marshal(request) // strings and numbers always encode
	return out
}

// jobsFor returns the jobs that can run such a script: an endless one needs a
// timeout, and one that must be cancelled must not be retried.
func jobsFor(jobs []jobOf, s script) (usable []jobOf) {
	for _, j := range jobs {
		if (j.secret || !s.secret) && j.timeout == (s.timeout > 0) && !(j.retries > 0 && s.endless && s.cancel) {
			usable = append(usable, j)
		}
	}
	return usable
}

// makeJobs creates various jobs before the faults begin.
func (w *arena) makeJobs() (jobs []jobOf) {
	status, pipeline := call(w.t, "POST", w.edges[0]+"/pipelines", `{"name":"chaos"}`)
	require.Equal(w.t, 201, status, pipeline)
	w.setSecret()
	for i := range 12 {
		j := jobOf{slots: 1 + i%3, timeout: i%4 == 3, retries: i % 2 * (1 + i%3), secret: i%3 == 1}
		body := object{"pipeline_id": pipeline["id"], "priority": i % 11, "requirements": object{"capacity": j.slots}}
		if i%5 == 0 {
			body["type"] = []string{"a", "b"}[i/5%2]
		}
		if j.timeout {
			body["timeout_seconds"] = 1
		}
		if j.secret {
			body["secrets"] = []any{chaosSecret, object{"name": chaosSecret, "as": "CHAOS_FILE", "as_file": true}}
		}
		if j.retries > 0 {
			body["retries"] = object{"max": j.retries, "backoff_seconds": 0.3}
		}
		text, _ := json.Marshal(body) // strings and numbers always encode
		status, made := call(w.t, "POST", w.edges[0]+"/jobs", string(text))
		require.Equal(w.t, 201, status, made)
		j.id = made["id"].(string)
		jobs = append(jobs, j)
	}
	return jobs
}
