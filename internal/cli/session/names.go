package session

import (
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// names are the records that a command has read for their names. The looks of --watch share them.
type names struct {
	pipelines  known[hodei.PipelineID, hodei.Pipeline]
	jobs       known[hodei.JobID, hodei.Job]
	workers    known[hodei.WorkerID, hodei.Worker]
	executions known[hodei.ExecutionID, hodei.Execution]
}

// unavailable sets whether ids are shown without asking for names, until the next look.
func (n *names) unavailable(yes bool) {
	n.pipelines.failed, n.jobs.failed, n.workers.failed, n.executions.failed = yes, yes, yes, yes
}

// known are records of one kind.
type known[ID comparable, T any] struct {
	records map[ID]*T // nil for a record that is gone or that the caller may not read
	listed  bool
	failed  bool // so that a table is not delayed by each of its rows
}

// find returns the record with the id, nil if it cannot be read: a table then shows the id. The first
// record takes one request. The second id is looked up in a list, because more ids are likely to follow.
func (k *known[ID, T]) find(id ID, get func() (T, error), list func() ([]T, error), idOf func(T) ID) *T {
	if k.records == nil {
		k.records = map[ID]*T{}
	}
	if len(k.records) > 0 && !k.listed && !k.failed && !k.has(id) {
		k.listed = true
		records, _ := list() // what it lacks is read alone
		for i := range records {
			k.records[idOf(records[i])] = &records[i]
		}
	}
	if k.has(id) || k.failed {
		return k.records[id]
	}
	record, err := get()
	switch {
	case err == nil:
		k.records[id] = &record
	case errors.Is(err, hodei.NotFound), errors.Is(err, hodei.Forbidden):
		k.records[id] = nil
	default:
		k.failed = true
	}
	return k.records[id]
}

func (k *known[ID, T]) has(id ID) bool {
	_, ok := k.records[id]
	return ok
}

// most is the request for as many records as one page can have.
var most = schemas.Page{Limit: 1000}

func (s *Session) pipeline(ctx context.Context, id hodei.PipelineID) *hodei.Pipeline {
	return s.names.pipelines.find(id, func() (hodei.Pipeline, error) {
		return s.GetPipeline(ctx, schemas.GetPipelineRequest{ID: hodei.RefTo(id)})
	}, func() ([]hodei.Pipeline, error) {
		l, err := s.ListPipelines(ctx, schemas.ListPipelinesRequest{Page: most})
		return l.Items, err
	}, func(p hodei.Pipeline) hodei.PipelineID { return p.ID })
}

// PipelineName returns the slug of the pipeline, or its name, or else its id.
func (s *Session) PipelineName(ctx context.Context, id hodei.PipelineID) string {
	switch p := s.pipeline(ctx, id); {
	case p == nil:
		return id.String()
	case p.Slug != nil:
		return *p.Slug
	default:
		return render.Plain(p.Name)
	}
}

// JobName returns the name of the job, or its key, or else its id.
func (s *Session) JobName(ctx context.Context, id hodei.JobID) string {
	j := s.names.jobs.find(id, func() (hodei.Job, error) {
		return s.GetJob(ctx, schemas.GetJobRequest{ID: id})
	}, func() ([]hodei.Job, error) {
		l, err := s.ListJobs(ctx, schemas.ListJobsRequest{Page: most})
		return l.Items, err
	}, func(j hodei.Job) hodei.JobID { return j.ID })
	switch {
	case j != nil && j.Name != nil:
		return render.Plain(*j.Name)
	case j != nil && j.Key != "":
		return j.Key
	}
	return id.String()
}

// JobLabel returns the job as commands accept it: shop/build, or the name of a job without a key.
func (s *Session) JobLabel(ctx context.Context, j hodei.Job) string {
	if j.Key != "" {
		return s.PipelineName(ctx, j.PipelineID) + "/" + j.Key
	}
	return render.OrNone(j.Name)
}

// WorkerName returns the name of the worker, or else its id.
func (s *Session) WorkerName(ctx context.Context, id hodei.WorkerID) string {
	w := s.names.workers.find(id, func() (hodei.Worker, error) {
		return s.GetWorker(ctx, schemas.GetWorkerRequest{ID: id})
	}, func() ([]hodei.Worker, error) {
		l, err := s.ListWorkers(ctx, schemas.ListWorkersRequest{Page: most})
		return l.Items, err
	}, func(w hodei.Worker) hodei.WorkerID { return w.ID })
	if w == nil || w.Name == nil {
		return id.String()
	}
	return render.Plain(*w.Name)
}

// ExecutionName returns the execution as people name it: release#42/test, or the name of its job outside a run. A
// command without a job has none.
func (s *Session) ExecutionName(ctx context.Context, e hodei.Execution) string {
	switch {
	case e.RunID != nil && e.RunNumber != nil && e.JobKey != nil:
		var slug *string
		if e.PipelineID != nil {
			if p := s.pipeline(ctx, *e.PipelineID); p != nil {
				slug = p.Slug
			}
		}
		return runName(*e.RunID, slug, *e.RunNumber) + "/" + render.Plain(*e.JobKey)
	case e.JobID != nil:
		return s.JobName(ctx, *e.JobID)
	}
	return render.None
}

// WaitingName returns the name of an execution in the queue. The queue has the job of an execution, but not its run.
func (s *Session) WaitingName(ctx context.Context, q schemas.QueueEntry) string {
	e := s.names.executions.find(q.ExecutionID, func() (hodei.Execution, error) {
		return s.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(q.ExecutionID)})
	}, func() ([]hodei.Execution, error) {
		l, err := s.ListExecutions(ctx, schemas.ListExecutionsRequest{Status: schemas.Any(hodei.Pending), Page: most})
		return l.Items, err
	}, func(e hodei.Execution) hodei.ExecutionID { return e.ID })
	switch {
	case e != nil:
		return s.ExecutionName(ctx, *e)
	case q.JobID != nil:
		return s.JobName(ctx, *q.JobID)
	}
	return render.None
}

// Named returns an id with its name, as "pipe_… (release)", and the id alone without one.
func Named[K hodei.Kind](ctx context.Context, id *hodei.ID[K], name func(context.Context, hodei.ID[K]) string) string {
	if id == nil {
		return render.None
	}
	if text := name(ctx, *id); text != id.String() {
		return id.String() + " (" + text + ")"
	}
	return id.String()
}
