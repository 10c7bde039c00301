package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
)

var (
	testNow   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	testLease = 20 * time.Second
)

// linear is the plain choice that an Index must agree with: it looks at every worker.
func linear(fleet map[hodei.WorkerID]Worker, req Request, why string, order func(a, b *filed, from uint64) int) (best *filed) {
	from := point(req.ID)
	for _, w := range fleet {
		f := &filed{Worker: w, score: assess(&w, DefaultWeights).Score, point: point(w.WorkerID)}
		if exclude(&w, req, testLease, testNow) == why && (best == nil || order(f, best, from) < 0) {
			best = f
		}
	}
	return best
}

func anyWorker(t *rapid.T, n byte) Worker {
	w := Worker{Availability: hodei.Availability{
		WorkerID: hodei.WorkerID{15: n}, Type: rapid.SampledFrom([]string{"go", "go", "go", "rust"}).Draw(t, "type"),
		Slots: rapid.SampledFrom([]int{1, 2, 2, 2, 4}).Draw(t, "slots"), At: testNow,
		Status: rapid.SampledFrom([]hodei.WorkerStatus{hodei.WorkerAvailable, hodei.WorkerAvailable, hodei.WorkerAvailable, hodei.WorkerBusy, hodei.WorkerDraining}).Draw(t, "status"),
	}}
	change(t, &w)
	return w
}

// change draws anew what changes while a worker is connected; few values, so that many
// workers are equally good.
func change(t *rapid.T, w *Worker) {
	w.Free = w.Slots - rapid.SampledFrom([]int{0, 0, 0, 1, w.Slots}).Draw(t, "used")
	w.AckLatency = rapid.SampledFrom([]time.Duration{0, 0, 0, 20 * time.Millisecond}).Draw(t, "latency")
	w.Success = rapid.SampledFrom([]float64{1, 1, 1, 0.5}).Draw(t, "success")
	w.Cordoned = rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "cordoned")
	w.Dedicated = rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "dedicated")
	w.Blocked = rapid.SampledFrom([]string{"", "", "", "full"}).Draw(t, "blocked")
	w.At = testNow.Add(-rapid.SampledFrom([]time.Duration{0, 0, 0, time.Minute}).Draw(t, "age"))
	w.ReservedFor = hodei.ExecutionID{15: rapid.SampledFrom([]byte{0, 0, 0, 1}).Draw(t, "reserved for")}
	w.Labels = rapid.SampledFrom([]map[string]string{nil, nil, nil, {}, {"zone": "a"}, {"zone": "b", "gpu": "1"}}).Draw(t, "labels")
}

func anyNeed(t *rapid.T) Request {
	req := Request{Requirements: hodei.Requirements{Capacity: rapid.SampledFrom([]int{0, 1, 1, 2, 3, 5}).Draw(t, "needs")}}
	req.ID = hodei.ExecutionID{0: rapid.Byte().Draw(t, "id"), 15: rapid.SampledFrom([]byte{1, 2}).Draw(t, "last of id")}
	if rapid.IntRange(0, 3).Draw(t, "typed") == 0 {
		req.Requirements.Type = new(rapid.SampledFrom([]string{"go", "rust", "java"}).Draw(t, "wanted type"))
	}
	if rapid.IntRange(0, 3).Draw(t, "zoned") == 0 {
		req.Requirements.Labels = map[string]string{"zone": "a"}
	}
	for range rapid.SampledFrom([]int{0, 2, 10}).Draw(t, "refusals") {
		req.Refused = append(req.Refused, hodei.WorkerID{15: rapid.ByteRange(0, 14).Draw(t, "refused by")})
	}
	return req
}

// TestTheIndexAgreesWithTheLinearChoice, after any sequence of workers that come, change
// and leave.
func TestTheIndexAgreesWithTheLinearChoice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, fleet := NewIndex(DefaultWeights), map[hodei.WorkerID]Worker{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.ByteRange(0, 14).Draw(t, "worker")
			id := hodei.WorkerID{15: n}
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				x.Remove(id)
				delete(fleet, id)
			case 1, 2:
				w := anyWorker(t, n)
				x.Add(w)
				fleet[id] = w
			default:
				known := x.Update(id, func(w *Worker) {
					change(t, w)
					fleet[id] = *w
				})
				_, added := fleet[id]
				require.Equal(t, added, known)
			}
			req := anyNeed(t)
			want := linear(fleet, req, "", preferred)
			got, ok := x.Choose(req, testLease, testNow)
			require.Equal(t, want != nil, ok)
			if ok {
				require.Equal(t, want.Worker, got)
			}
			verdicts, d := x.Explain(req, testLease, testNow)
			require.Len(t, verdicts, len(fleet))
			require.Equal(t, ok, d.Worker != nil)
			if ok {
				require.Equal(t, got, *d.Worker)
			}
			best := linear(fleet, req, busy, mostFree)
			id, ok = x.Reserve(req, testLease, testNow)
			require.Equal(t, best != nil, ok)
			if ok {
				require.Equal(t, best.WorkerID, id)
			}
		}
	})
}

// TestAnEmptyIndexHoldsNothing: workers that left leave no shelves behind.
func TestAnEmptyIndexHoldsNothing(t *testing.T) {
	x := NewIndex(DefaultWeights)
	for n := range byte(50) {
		x.Add(Worker{Availability: hodei.Availability{
			WorkerID: hodei.WorkerID{15: n}, Status: hodei.WorkerBusy, Slots: 50, Free: int(n), Labels: map[string]string{"host": fmt.Sprint(n)},
		}})
	}
	require.Len(t, x.kinds, 50)
	for n := range byte(50) {
		x.Remove(hodei.WorkerID{15: n})
	}
	require.Empty(t, x.kinds)
	require.Empty(t, x.workers)
}

// BenchmarkChoose has 10,000 workers of three types and one to eight slots; each choice
// takes the slot, and one that was taken earlier comes free, as in a busy fleet. It
// reports the 99th percentile of one choice with what it changes.
func BenchmarkChoose(b *testing.B) {
	for _, history := range []bool{false, true} {
		b.Run(fmt.Sprintf("history=%t", history), func(b *testing.B) { benchmarkChoose(b, history) })
	}
}

func benchmarkChoose(b *testing.B, history bool) {
	x := NewIndex(DefaultWeights)
	for n := range 10_000 {
		w := Worker{Success: 1, Availability: hodei.Availability{
			WorkerID: hodei.WorkerID{6: byte(n >> 8), 15: byte(n)}, Type: []string{"go", "rust", "java"}[n%3],
			Status: hodei.WorkerAvailable, Slots: 1 + n%8, Free: 1 + n%8, At: testNow,
		}}
		if history {
			w.AckLatency, w.Success = time.Duration(n*7919%40_000)*time.Microsecond, 1-float64(n%100)/1000
		}
		x.Add(w)
	}
	kind := "go"
	var taken []hodei.WorkerID
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		req := Request{ID: hodei.ExecutionID{0: byte(i), 7: byte(i >> 8)}, Requirements: hodei.Requirements{Capacity: 1 + i%2}}
		if i%2 == 0 {
			req.Requirements.Type = &kind
		}
		began := time.Now()
		w, ok := x.Choose(req, testLease, testNow)
		if ok {
			x.Update(w.WorkerID, func(w *Worker) { w.Free -= req.Requirements.Slots() })
		}
		took = append(took, time.Since(began))
		if taken = append(taken, w.WorkerID); len(taken) > 5000 {
			x.Update(taken[0], func(w *Worker) { w.Free = min(w.Slots, w.Free+1) })
			taken = taken[1:]
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}
