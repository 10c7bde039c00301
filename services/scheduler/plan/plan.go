package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Worker is one worker: its own report, with Free reduced by the scheduler's offers, and
// its history.
type Worker struct {
	hodei.Availability
	// AckLatency is the smoothed time it takes to accept; 0 when unknown.
	AckLatency time.Duration
	// Success is the smoothed share of its executions that did not fail because
	// of the worker, 0 to 1.
	Success float64
	// ReservedFor is the execution for which its free slots are reserved; the zero id
	// for none.
	ReservedFor hodei.ExecutionID
}

// Request is what an execution needs. Its ID decides between workers that are
// equally good, so that ties do not all go to one.
type Request struct {
	ID           hodei.ExecutionID
	Requirements hodei.Requirements
	// Refused are workers that have just refused the execution.
	Refused []hodei.WorkerID
}

// Weights weigh the criteria; only their proportion counts.
type Weights struct{ Load, Latency, Success float64 }

// DefaultWeights put free slots first.
var DefaultWeights = Weights{Load: 0.6, Latency: 0.2, Success: 0.2}

// Verdict is the evaluation of one worker for a request.
type Verdict struct {
	Worker Worker
	// Excluded is why it cannot take the execution; "" if it can.
	Excluded string
	// Score is between 0 and 1, higher is better; its parts likewise. An excluded worker has -1.
	Score, Load, Latency, Success float64
}

// Decision is the chosen worker, or the reason why there is none.
type Decision struct {
	Worker *Worker // nil when none can take it
	Reason string  // "" when one can
	// Impossible is true if no worker of the fleet could take it even when idle.
	Impossible bool
}

// halfLatency is the acceptance time at which the latency criterion is 0.5.
const halfLatency = 20 * time.Millisecond

// Explain returns the verdict on every worker, best first, and the decision: the worker
// that Choose returns, or the reason why there is none.
func (x *Index) Explain(req Request, lease time.Duration, now time.Time) ([]Verdict, Decision) {
	from, all := point(req.ID), make([]*filed, 0, len(x.workers))
	verdicts := make(map[*filed]Verdict, len(x.workers))
	for _, f := range x.workers {
		all = append(all, f)
		if why := exclude(&f.Worker, req, lease, now); why != "" {
			verdicts[f] = Verdict{Worker: f.Worker, Excluded: why, Score: -1} // after those with a score
		} else {
			verdicts[f] = assess(&f.Worker, x.weights)
		}
	}
	slices.SortFunc(all, func(a, b *filed) int {
		return cmp.Or(cmp.Compare(verdicts[b].Score, verdicts[a].Score),
			cmp.Compare(a.point-from, b.point-from), slices.Compare(a.WorkerID[:], b.WorkerID[:]))
	})
	out := make([]Verdict, len(all))
	for i, f := range all {
		out[i] = verdicts[f]
	}
	if len(out) > 0 && out[0].Excluded == "" {
		return out, Decision{Worker: &out[0].Worker}
	}
	return out, x.Why(req, lease, now)
}

// assess returns the score of a worker for any execution that it can take, by free slots,
// latency of acceptance and share of executions that it did not fail.
func assess(worker *Worker, w Weights) Verdict {
	v := Verdict{Worker: *worker}
	v.Load = float64(worker.Free) / float64(max(worker.Slots, 1))
	v.Latency = float64(halfLatency) / float64(halfLatency+worker.AckLatency)
	v.Success = worker.Success
	if sum := w.Load + w.Latency + w.Success; sum > 0 {
		v.Score = (w.Load*v.Load + w.Latency*v.Latency + w.Success*v.Success) / sum
	}
	return v
}

// Reasons why a worker cannot take an execution. The first four do not change.
const (
	otherType   = "other type"
	dedicated   = "dedicated to its type"
	otherLabels = "other labels"
	tooSmall    = "too small"
	cordoned    = "cordoned"
	silent      = "silent"
	noSpace     = "low on disk space"
	busy        = "busy"
	reserved    = "reserved for an execution that waits longer"
	refused     = "refused"
)

// exclude returns why the worker cannot take the execution; "" if it can. Permanent reasons
// come first.
func exclude(w *Worker, req Request, lease time.Duration, now time.Time) string {
	need := req.Requirements
	if why := mismatch(w, need); why != "" {
		return why
	}
	switch {
	case need.Slots() > w.Slots:
		return tooSmall
	case w.Status != hodei.WorkerAvailable && w.Status != hodei.WorkerBusy:
		return strings.ToLower(string(w.Status))
	case w.Cordoned:
		return cordoned
	case now.Sub(w.At) > lease:
		return silent
	case w.Blocked != "":
		return noSpace
	case need.Slots() > w.Free:
		return busy
	case !w.ReservedFor.IsZero() && w.ReservedFor != req.ID:
		return reserved
	case slices.Contains(req.Refused, w.WorkerID):
		return refused
	}
	return ""
}

// mismatch is exclude for the properties that all workers of a kind share.
func mismatch(w *Worker, need hodei.Requirements) string {
	if need.Type != nil && *need.Type != w.Type {
		return otherType
	}
	if need.Type == nil && w.Dedicated {
		return dedicated
	}
	for name, value := range need.Labels {
		if have, ok := w.Labels[name]; !ok || have != value {
			return otherLabels
		}
	}
	return ""
}

// Why returns the decision for a request that no worker can take. Its reason is one line:
// "no worker of type rust: 2 busy, 1 draining".
func (x *Index) Why(req Request, lease time.Duration, now time.Time) Decision {
	if len(x.workers) == 0 {
		return Decision{Reason: "no worker is running"}
	}
	counts := map[string]int{}
	for _, f := range x.workers {
		counts[exclude(&f.Worker, req, lease, now)]++
	}
	text := "no worker" + wanted(req.Requirements)
	passing := count(counts, busy, "draining", "terminating", cordoned, reserved, refused, noSpace, silent, "offline", "terminated")
	if len(passing) > 0 {
		return Decision{Reason: text + ": " + strings.Join(append(passing, count(counts, tooSmall)...), ", ")}
	}
	why := strings.Join(count(counts, otherType, dedicated, otherLabels, tooSmall), ", ")
	return Decision{Impossible: true, Reason: text + ", and no worker of the fleet can ever run it: " + why}
}

// Unschedulable returns why no worker takes an execution of one slot and its own type; ""
// if one does, now or when a slot becomes free.
func (x *Index) Unschedulable(lease time.Duration, now time.Time) string {
	for _, f := range x.workers {
		its := Request{Requirements: hodei.Requirements{Type: &f.Type}}
		switch exclude(&f.Worker, its, lease, now) {
		case "", busy, reserved:
			return ""
		}
	}
	return x.Why(Request{}, lease, now).Reason
}

// count formats the counts of the given words, in their order: "2 busy", "1 draining".
func count(of map[string]int, words ...string) (counts []string) {
	for _, word := range words {
		if n := of[word]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return counts
}

// wanted formats the requirements: " of type rust with zone=a".
func wanted(need hodei.Requirements) string {
	text := ""
	if need.Type != nil {
		text += " of type " + *need.Type
	}
	if len(need.Labels) > 0 {
		var labels []string
		for name, value := range need.Labels {
			labels = append(labels, name+"="+value)
		}
		slices.Sort(labels)
		text += " with " + strings.Join(labels, ",")
	}
	if need.Slots() > 1 {
		text += fmt.Sprintf(" with %d free slots", need.Slots())
	}
	return text
}
