package postgres

import (
	"slices"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// mostCached is how many jobs of runs are kept in memory.
const mostCached = 50_000

// runCache keeps the jobs of a run from one step to the next, so that each step of a
// large run does not read all of them again. A revision shows whether another instance
// has changed them meanwhile.
type runCache struct {
	mu   sync.Mutex
	runs map[hodei.RunID]cachedRun
	jobs int
}

type cachedRun struct {
	revision int64
	jobs     []hodei.RunJob
}

// take removes the jobs of the run from the cache and returns them, if they are those of
// the revision.
func (c *runCache) take(id hodei.RunID, revision int64) ([]hodei.RunJob, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	run, ok := c.runs[id]
	delete(c.runs, id)
	c.jobs -= len(run.jobs)
	return run.jobs, ok && run.revision == revision
}

// put keeps a copy of the jobs of a run that was committed with the revision: the next step
// changes it while a reply or an event is still made of the jobs.
func (c *runCache) put(id hodei.RunID, revision int64, jobs []hodei.RunJob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil || c.jobs+len(jobs) > mostCached {
		c.runs, c.jobs = map[hodei.RunID]cachedRun{}, 0
	}
	c.jobs += len(jobs) - len(c.runs[id].jobs)
	c.runs[id] = cachedRun{revision, copied(jobs)}
}

// copied is a copy of all that a step changes in place.
func copied(jobs []hodei.RunJob) []hodei.RunJob {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		if a := jobs[i].Approval; a != nil {
			jobs[i].Approval = new(*a)
		}
	}
	return jobs
}
