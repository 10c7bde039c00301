package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

var (
	now   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	lease = 20 * time.Second
)

func id(n byte) hodei.WorkerID { return hodei.WorkerID{15: n} }

// index is the fleet as the scheduler keeps it.
func index(fleet []plan.Worker) *plan.Index {
	x := plan.NewIndex(plan.DefaultWeights)
	for _, w := range fleet {
		x.Add(w)
	}
	return x
}

// choose is the choice and its explanation.
func choose(fleet []plan.Worker, req plan.Request) plan.Decision {
	_, d := index(fleet).Explain(req, lease, now)
	return d
}

// worker is a healthy worker with all slots free.
func worker(n byte, kind string, capacity int) plan.Worker {
	return plan.Worker{Success: 1, Availability: hodei.Availability{
		WorkerID: id(n), Type: kind, Status: hodei.WorkerAvailable, Slots: capacity, Free: capacity, At: now,
	}}
}

func TestReasons(t *testing.T) {
	rust, labels := "rust", map[string]string{"zone": "a"}
	busy, draining, silent := worker(1, "rust", 1), worker(2, "rust", 1), worker(3, "rust", 1)
	busy.Free, busy.Status = 0, hodei.WorkerBusy
	draining.Status = hodei.WorkerDraining
	silent.At = now.Add(-lease - time.Second)
	other := busy
	other.WorkerID = id(4)
	cordoned, dedicated := worker(5, "rust", 1), worker(6, "rust", 1)
	cordoned.Cordoned, dedicated.Dedicated = true, true
	for _, c := range []struct {
		name  string
		fleet []plan.Worker
		need  hodei.Requirements
		want  string
	}{
		{"empty fleet", nil, hodei.Requirements{}, "no worker is running"},
		{"as in the contract", []plan.Worker{busy, other, draining}, hodei.Requirements{Type: &rust}, "no worker of type rust: 2 busy, 1 draining"},
		{"other type", []plan.Worker{worker(1, "go", 1)}, hodei.Requirements{Type: &rust}, "no worker of type rust, and no worker of the fleet can ever run it: 1 other type"},
		{"labels", []plan.Worker{worker(1, "rust", 1)}, hodei.Requirements{Labels: labels}, "no worker with zone=a, and no worker of the fleet can ever run it: 1 other labels"},
		{"too small", []plan.Worker{worker(1, "rust", 2)}, hodei.Requirements{Capacity: 3}, "no worker with 3 free slots, and no worker of the fleet can ever run it: 1 too small"},
		{"cordoned", []plan.Worker{cordoned, busy}, hodei.Requirements{Type: &rust}, "no worker of type rust: 1 busy, 1 cordoned"},
		{"dedicated", []plan.Worker{dedicated}, hodei.Requirements{}, "no worker, and no worker of the fleet can ever run it: 1 dedicated to its type"},
		{"silent", []plan.Worker{silent}, hodei.Requirements{}, "no worker: 1 silent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := choose(c.fleet, plan.Request{Requirements: c.need})
			require.Nil(t, d.Worker)
			require.Equal(t, c.want, d.Reason)
			require.Equal(t, strings.Contains(c.want, "ever"), d.Impossible)
		})
	}
}

// TestUnschedulable: a busy fleet takes work in time; one that is silent, leaving or
// without disk space does not.
func TestUnschedulable(t *testing.T) {
	busy, draining, silent, blocked := worker(1, "x", 1), worker(2, "x", 1), worker(3, "x", 1), worker(4, "x", 1)
	busy.Free, busy.Status = 0, hodei.WorkerBusy
	draining.Status = hodei.WorkerDraining
	silent.At = now.Add(-lease - time.Second)
	blocked.Blocked = "its disk has 1 MiB free"
	dedicated := worker(5, "x", 1)
	dedicated.Dedicated = true
	require.Empty(t, index([]plan.Worker{dedicated}).Unschedulable(lease, now), "it takes what names its type")
	require.NotNil(t, choose([]plan.Worker{dedicated}, plan.Request{Requirements: hodei.Requirements{Type: &dedicated.Type}}).Worker)
	for want, fleet := range map[string][]plan.Worker{
		"no worker is running": nil,
		"":                     {silent, busy},
		"no worker: 1 draining, 1 low on disk space, 1 silent": {draining, silent, blocked},
	} {
		require.Equal(t, want, index(fleet).Unschedulable(lease, now))
	}
	d := choose([]plan.Worker{blocked, busy}, plan.Request{})
	require.Nil(t, d.Worker)
	require.Equal(t, "no worker: 1 busy, 1 low on disk space", d.Reason)
	require.False(t, d.Impossible)
}

func TestRefusedIsNotAskedAgain(t *testing.T) {
	fleet := []plan.Worker{worker(1, "x", 8), worker(2, "x", 1)}
	d := choose(fleet, plan.Request{Refused: []hodei.WorkerID{id(1)}})
	require.Equal(t, id(2), d.Worker.WorkerID)
}

func TestTiesSpread(t *testing.T) {
	fleet := []plan.Worker{worker(1, "x", 4), worker(2, "x", 4), worker(3, "x", 4)}
	got := map[hodei.WorkerID]int{}
	for n := range 300 {
		d := choose(fleet, plan.Request{ID: hodei.ExecutionID{0: byte(n), 7: byte(n >> 3), 15: byte(n * 7)}})
		got[d.Worker.WorkerID]++
	}
	for n := byte(1); n <= 3; n++ {
		require.Greater(t, got[id(n)], 50, "worker %d of %v", n, got)
	}
}

// anyFleet draws workers in every condition.
func anyFleet(t *rapid.T) []plan.Worker {
	fleet := make([]plan.Worker, rapid.IntRange(0, 12).Draw(t, "workers"))
	for i := range fleet {
		w := worker(byte(i+1), rapid.SampledFrom([]string{"go", "rust"}).Draw(t, "type"), rapid.IntRange(1, 6).Draw(t, "capacity"))
		w.Free = rapid.IntRange(0, w.Slots).Draw(t, "free")
		w.Status = rapid.SampledFrom(hodei.WorkerTransitions.States()).Draw(t, "status")
		w.At = now.Add(-time.Duration(rapid.IntRange(0, 40).Draw(t, "age")) * time.Second)
		w.AckLatency = time.Duration(rapid.IntRange(0, 100).Draw(t, "latency")) * time.Millisecond
		w.Success = rapid.Float64Range(0, 1).Draw(t, "success")
		if rapid.Bool().Draw(t, "labelled") {
			w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
		}
		fleet[i] = w
	}
	return fleet
}

func anyRequest(t *rapid.T) plan.Request {
	req := plan.Request{Requirements: hodei.Requirements{Capacity: rapid.IntRange(0, 7).Draw(t, "slots")}}
	copy(req.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	if rapid.Bool().Draw(t, "typed") {
		kind := rapid.SampledFrom([]string{"go", "rust", "java"}).Draw(t, "wanted type")
		req.Requirements.Type = &kind
	}
	if rapid.Bool().Draw(t, "zoned") {
		req.Requirements.Labels = map[string]string{"zone": "a"}
	}
	return req
}

// TestChoiceIsSound: what is chosen can take the execution, and something is
// chosen whenever anything can.
func TestChoiceIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fleet, req := anyFleet(t), anyRequest(t)
		able := func(w plan.Worker) bool {
			zone := req.Requirements.Labels["zone"]
			return (req.Requirements.Type == nil || *req.Requirements.Type == w.Type) &&
				(zone == "" || w.Labels["zone"] == zone) && w.Free >= max(1, req.Requirements.Capacity) &&
				(w.Status == hodei.WorkerAvailable || w.Status == hodei.WorkerBusy) && now.Sub(w.At) <= lease
		}
		d := choose(fleet, req)
		anyAble := false
		for _, w := range fleet {
			anyAble = anyAble || able(w)
		}
		require.Equal(t, anyAble, d.Worker != nil)
		require.Equal(t, anyAble, d.Reason == "")
		if d.Worker != nil {
			require.True(t, able(*d.Worker))
		}
	})
}

// TestExplanationIsTheDecision: the first of what is explained is what would be
// chosen, scores fall from there, and the same question has the same answer.
func TestExplanationIsTheDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fleet, req := anyFleet(t), anyRequest(t)
		verdicts, d := index(fleet).Explain(req, lease, now)
		require.Len(t, verdicts, len(fleet))
		if d.Worker != nil {
			require.Equal(t, d.Worker.WorkerID, verdicts[0].Worker.WorkerID)
		}
		for i := 1; i < len(verdicts); i++ {
			before, v := verdicts[i-1], verdicts[i]
			require.False(t, before.Excluded != "" && v.Excluded == "")
			require.GreaterOrEqual(t, before.Score, v.Score)
		}
		for _, v := range verdicts {
			require.Equal(t, v.Excluded != "", v.Score == -1)
			require.True(t, v.Score == -1 || v.Score >= 0 && v.Score <= 1, "score %v", v.Score)
		}
	})
}

// TestMonotone: of two workers that differ in one criterion, the better one is
// chosen.
func TestMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := anyRequest(t)
		req.Requirements = hodei.Requirements{}
		worse := worker(1, "x", 8)
		worse.Free = rapid.IntRange(1, 7).Draw(t, "free")
		worse.AckLatency = time.Duration(rapid.IntRange(1, 1000).Draw(t, "latency")) * time.Millisecond
		worse.Success = rapid.Float64Range(0, 0.99).Draw(t, "success")
		better := worse
		better.WorkerID = id(2)
		switch rapid.SampledFrom([]string{"load", "latency", "success"}).Draw(t, "criterion") {
		case "load":
			better.Free++
		case "latency":
			better.AckLatency = 0
		case "success":
			better.Success = 1
		}
		d := choose([]plan.Worker{worse, better}, req)
		require.Equal(t, better.WorkerID, d.Worker.WorkerID)
	})
}
