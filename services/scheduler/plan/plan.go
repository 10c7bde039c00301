package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Worker is one worker as a scheduler sees it: its own report, with Free
// corrected by what the scheduler knows better, and its history.
type Worker struct {
	hodei.Availability
	// AckLatency is the smoothed time it takes to accept; 0 when unknown.
	AckLatency time.Duration
	// Success is the smoothed share of its executions that did not fail because
	// of the worker, 0 to 1.
	Success float64
	// KeptFor is the execution for which its slots are kept as they come free,
	// the zero id when there is none.
	KeptFor hodei.ExecutionID
}

// Request is what an execution needs. Its ID decides between workers that are
// equally good, so that ties do not all go to one.
type Request struct {
	ID           hodei.ExecutionID
	Requirements hodei.Requirements
	// Refused are workers that have just said no.
	Refused []hodei.WorkerID
}

// Weights weigh the criteria; only their proportion counts.
type Weights struct{ Load, Latency, Success float64 }

// DefaultWeights put free slots first.
var DefaultWeights = Weights{Load: 0.6, Latency: 0.2, Success: 0.2}

// Verdict is what is thought of one worker.
type Verdict struct {
	Worker *Worker
	// Excluded is why it cannot take the execution; "" when it can.
	Excluded string
	// Score is between 0 and 1, higher is better; its parts likewise.
	Score, Load, Latency, Success float64
}

// Decision is the chosen worker, or why there is none.
type Decision struct {
	Worker *Worker // nil when none can take it
	Reason string  // "" when one can
	// Impossible says that none of the fleet ever could, however idle.
	Impossible bool
}

// halfLatency is the acceptance time at which the latency criterion is 0.5.
const halfLatency = 20 * time.Millisecond

// Choose returns the best worker for the request. A worker whose report is older
// than the lease at now is taken for lost.
func Choose(fleet []Worker, req Request, w Weights, lease time.Duration, now time.Time) Decision {
	var best *Worker
	var bestScore float64
	var bestTie uint64
	for i := range fleet {
		v := judge(&fleet[i], req, w, lease, now)
		if v.Excluded != "" || v.Score < bestScore {
			continue
		}
		tie := mix(req.ID, v.Worker.WorkerID)
		if best == nil || v.Score > bestScore || tie > bestTie {
			best, bestScore, bestTie = v.Worker, v.Score, tie
		}
	}
	if best != nil {
		return Decision{Worker: best}
	}
	return waits(fleet, req, lease, now)
}

// Reserve returns the worker whose slots are to be kept for a request that
// finds none with enough of them free, or nil: the one that lacks least among
// those that lack nothing else.
func Reserve(fleet []Worker, req Request, lease time.Duration, now time.Time) *Worker {
	var best *Worker
	for i := range fleet {
		w := &fleet[i]
		if exclude(w, req, lease, now) != busy {
			continue
		}
		if best == nil || w.Free > best.Free || w.Free == best.Free && mix(req.ID, w.WorkerID) > mix(req.ID, best.WorkerID) {
			best = w
		}
	}
	return best
}

// Explain returns what is thought of every worker, best first.
func Explain(fleet []Worker, req Request, w Weights, lease time.Duration, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(fleet))
	for i := range fleet {
		verdicts[i] = judge(&fleet[i], req, w, lease, now)
	}
	slices.SortStableFunc(verdicts, func(a, b Verdict) int {
		switch {
		case (a.Excluded == "") != (b.Excluded == ""):
			return boolCompare(a.Excluded == "", b.Excluded == "")
		case a.Score != b.Score:
			return boolCompare(a.Score > b.Score, b.Score > a.Score)
		}
		return boolCompare(mix(req.ID, a.Worker.WorkerID) > mix(req.ID, b.Worker.WorkerID), false)
	})
	return verdicts
}

func boolCompare(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

// judge decides whether the worker can take the execution and how well it
// suits: by the share of its slots left free, by how fast it accepts and by
// how often what it runs completes.
func judge(worker *Worker, req Request, w Weights, lease time.Duration, now time.Time) Verdict {
	v := Verdict{Worker: worker, Excluded: exclude(worker, req, lease, now)}
	if v.Excluded != "" {
		return v
	}
	v.Load = float64(worker.Free) / float64(max(worker.Slots, 1))
	v.Latency = float64(halfLatency) / float64(halfLatency+worker.AckLatency)
	v.Success = worker.Success
	if sum := w.Load + w.Latency + w.Success; sum > 0 {
		v.Score = (w.Load*v.Load + w.Latency*v.Latency + w.Success*v.Success) / sum
	}
	return v
}

// Why a worker cannot take an execution; the first three for ever.
const (
	otherType   = "other type"
	otherLabels = "other labels"
	tooSmall    = "too small"
	silent      = "silent"
	noSpace     = "low on disk space"
	busy        = "busy"
	kept        = "kept for one that waits longer"
	refused     = "refused"
)

// exclude says why the worker cannot take the execution, "" when it can. The
// order matters: what can never change comes first.
func exclude(w *Worker, req Request, lease time.Duration, now time.Time) string {
	need := req.Requirements
	if need.Type != nil && *need.Type != w.Type {
		return otherType
	}
	for name, value := range need.Labels {
		if have, ok := w.Labels[name]; !ok || have != value {
			return otherLabels
		}
	}
	switch {
	case need.Slots() > w.Slots:
		return tooSmall
	case w.Status != hodei.WorkerAvailable && w.Status != hodei.WorkerBusy:
		return strings.ToLower(string(w.Status))
	case now.Sub(w.At) > lease:
		return silent
	case w.Blocked != "":
		return noSpace
	case need.Slots() > w.Free:
		return busy
	case !w.KeptFor.IsZero() && w.KeptFor != req.ID:
		return kept
	case slices.Contains(req.Refused, w.WorkerID):
		return refused
	}
	return ""
}

// waits is the decision that no worker can take the execution. It says why in
// one line: "no worker of type rust: 2 busy, 1 draining".
func waits(fleet []Worker, req Request, lease time.Duration, now time.Time) Decision {
	if len(fleet) == 0 {
		return Decision{Reason: "no worker is running"}
	}
	counts := map[string]int{}
	for i := range fleet {
		counts[exclude(&fleet[i], req, lease, now)]++
	}
	text := "no worker" + wanted(req.Requirements)
	passing := count(counts, busy, "draining", "terminating", kept, refused, noSpace, silent, "offline", "terminated")
	if len(passing) > 0 {
		return Decision{Reason: text + ": " + strings.Join(append(passing, count(counts, tooSmall)...), ", ")}
	}
	why := strings.Join(count(counts, otherType, otherLabels, tooSmall), ", ")
	return Decision{Impossible: true, Reason: text + ", and none of the fleet could ever take it: " + why}
}

// Unschedulable is why no worker takes even what needs one slot of any worker, "" when
// one does or will when it has a free slot.
func Unschedulable(fleet []Worker, lease time.Duration, now time.Time) string {
	for i := range fleet {
		switch exclude(&fleet[i], Request{}, lease, now) {
		case "", busy, kept:
			return ""
		}
	}
	return waits(fleet, Request{}, lease, now).Reason
}

// count is how often each word was said, in this order: "2 busy", "1 draining".
func count(said map[string]int, words ...string) (counts []string) {
	for _, word := range words {
		if n := said[word]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return counts
}

// wanted is what sets the worker apart, in words.
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

// mix orders workers differently for each execution. FNV-1a over both ids: no
// seed, so the same question always has the same answer.
func mix(e hodei.ExecutionID, w hodei.WorkerID) uint64 {
	h := uint64(14695981039346656037)
	for i := range e {
		h = (h ^ uint64(e[i]) ^ uint64(w[i])<<1) * 1099511628211
	}
	return h ^ h>>29
}
