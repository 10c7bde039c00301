package orchestrator

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// outcomeOf is how a job of these tests ends: given by its key alone.
func outcomeOf(key string) hodei.ExecutionStatus {
	h := fnv.New32a()
	h.Write([]byte(key))
	return []hodei.ExecutionStatus{hodei.Completed, hodei.Completed, hodei.Completed, hodei.Failed, hodei.TimedOut}[h.Sum32()%5]
}

// randomGraph are jobs that need earlier ones.
func randomGraph(r *rand.Rand, name string) (jobs []schemas.CreateJobRequest) {
	for i := range 3 + r.IntN(12) {
		job := needing(fmt.Sprintf("%s-%d", name, i))
		for k := range i {
			if r.IntN(3) == 0 {
				job.Needs = append(job.Needs, hodei.Need{Job: fmt.Sprintf("%s-%d", name, k)})
			}
		}
		job.When = []hodei.When{"", "", "", hodei.WhenFailure, hodei.WhenAlways}[r.IntN(5)]
		job.AllowFailure.Any = r.IntN(5) == 0
		if r.IntN(4) == 0 {
			job.Matrix = &hodei.Matrix{Values: map[string][]hodei.Scalar{"n": {"1", "2", "3"}}, MaxParallel: 1 + r.IntN(3)}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// expected is what the pure function makes of a run.
func expected(t *testing.T, jobs []hodei.Job) map[string]hodei.RunJobStatus {
	t.Helper()
	r := &hodei.Run{Status: hodei.RunRunning}
	require.NoError(t, run.Expand(r, run.Source{Jobs: jobs}))
	for ends := []hodei.Execution(nil); !r.Status.Ended(); {
		started := run.Advance(r, ends, time.Now(), nil).Start
		ends = nil
		for _, e := range started {
			e.Status = outcomeOf(*e.JobKey)
			ends = append(ends, e)
		}
	}
	return states(r.Jobs)
}

func states(jobs []hodei.RunJob) map[string]hodei.RunJobStatus {
	out := map[string]hodei.RunJobStatus{}
	for _, j := range jobs {
		out[j.Key] = j.Status
	}
	return out
}

// fleet ends every execution that waits, as its key has it, sometimes twice and
// sometimes without waking the orchestrators, until stop is called.
func (b *bench) fleet() (stop func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(n), 1))
			worker := postgres.NewID[hodei.WorkerID]()
			for {
				select {
				case <-over:
					return
				case <-time.After(2 * time.Millisecond):
				}
				waiting, _, err := b.db.ListExecutions(b.t.Context(), postgres.ExecutionFilter{States: []hodei.ExecutionStatus{hodei.Pending}}, postgres.Page{Size: 5})
				if err != nil {
					continue
				}
				for _, e := range waiting {
					b.end(e, worker, chance)
				}
			}
		})
	}
	return func() { close(over); all.Wait() }
}

func (b *bench) end(e hodei.Execution, worker hodei.WorkerID, chance *rand.Rand) {
	ctx := b.t.Context()
	if _, err := b.db.AssignExecution(ctx, e.ID, worker, "shell", "first"); err != nil {
		return // another one was faster
	}
	outcome := hodei.Outcome{Status: outcomeOf(*e.JobKey), CompletedAt: time.Now().UTC()}
	for range 1 + chance.IntN(2) {
		_, _, _ = b.db.FinishExecution(ctx, e.ID, worker, outcome)
	}
	if chance.IntN(10) > 0 {
		_ = b.nc.Publish(schemas.RunSubject, nil)
	}
}

// TestRunsEndAsThePureFunctionComputes while two instances advance them and one is
// stopped half-way and started again: every run has ended, each of its executions
// belongs to one job of it, and none was started twice.
func TestRunsEndAsThePureFunctionComputes(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	stopSecond := b.instance()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 2))
	defer b.fleet()()
	want, pipelines := map[hodei.RunID]map[string]hodei.RunJobStatus{}, map[hodei.RunID]int{}
	for n := range 24 {
		p := b.pipeline(randomGraph(chance, fmt.Sprintf("p%d", n))...)
		jobs, _, err := b.db.ListJobs(t.Context(), postgres.JobFilter{PipelineIDs: []hodei.PipelineID{p}}, postgres.Page{Size: 100})
		require.NoError(t, err)
		oldest := make([]hodei.Job, len(jobs))
		for i, job := range jobs {
			oldest[len(jobs)-1-i] = job
		}
		r := b.execute(p)
		want[r.ID], pipelines[r.ID] = expected(t, oldest), n
		switch n {
		case 8:
			stopSecond()
		case 16:
			b.instance()
		}
	}
	ran := 0
	for id, wanted := range want {
		require.Eventually(t, func() bool { return b.shownRun(id).Status.Ended() }, 2*time.Minute, 10*time.Millisecond, "run %d", pipelines[id])
		r := b.shownRun(id)
		require.Equal(t, wanted, states(r.Jobs), "run %d", pipelines[id])
		all, _, err := b.db.ListExecutions(t.Context(), postgres.ExecutionFilter{RunIDs: []hodei.RunID{id}}, postgres.Page{Size: 1000})
		require.NoError(t, err)
		started := map[string]hodei.ExecutionID{}
		for _, e := range all {
			require.NotContains(t, started, *e.JobKey, "started twice")
			started[*e.JobKey] = e.ID
		}
		for _, j := range r.Jobs {
			require.Equal(t, j.Status != hodei.JobSkipped, j.ExecutionID != nil, j.Key)
			if j.ExecutionID != nil {
				require.Equal(t, *j.ExecutionID, started[j.Key])
			}
		}
		ran += len(all)
	}
	t.Logf("%d executions", ran)
}
