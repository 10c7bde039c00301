package worker

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
)

// straggle is how long output is read after the command has exited, if one of
// its descendants holds the pipes.
const straggle = time.Second

// run is one execution, from acceptance until its end is recorded.
//
// Its goroutines: do, which follows the process and then reports the end; those
// of outputs; and one that removes the directories.
type run struct {
	req       schemas.ExecutionRequest
	startedAt time.Time
	process   process
	fence     *fence // nil if it will not be restarted
	journal   *joblog.Journal
	// giveUp ends the context of do: nothing more is reported.
	giveUp context.CancelFunc
}

// abandon stops an execution whose result is not wanted.
func (r *run) abandon() {
	r.process.stop(hodei.ReasonWorkerLost)
	r.giveUp()
	r.journal.Drop()
}

// do runs the execution and returns when everything is reported, or when ctx is
// done because the result is not wanted.
func (w *Worker) do(ctx context.Context, r *run) {
	at, err := w.place(r.req.WorkingDir)
	var end hodei.Outcome
	if err != nil {
		end = r.failed(hodei.ReasonStartFailed, 0, fmt.Sprintf("working directory: %v", err))
		w.slots.release(r)
	} else {
		end = w.execute(r, at)
		r.results(at, &end)
	}
	end.StartedAt = &r.startedAt
	end.LogCount, end.LogDigest = r.journal.Close()
	var removal sync.WaitGroup
	removal.Go(func() { w.clear(r.req.ExecutionID, at) }) // while the last of the log and the end are in flight: that took half a millisecond of ten
	w.report(ctx, r, end)
	if r.journal.Unstored() > 0 { // the end is recorded without them, or they are not wanted
		r.journal.Drop()
	}
	removal.Wait()
	w.slots.forget(r)
}

// execute runs the command to its end and reads all of its output.
func (w *Worker) execute(r *run, at place) hodei.Outcome {
	argv := r.req.Argv()
	path, err := w.lookUp(argv[0], &r.req, at.dir)
	var out *joblog.Pipes
	var started bool
	if err == nil {
		out, started, err = w.start(r, path, argv, at)
	}
	if err != nil {
		defer w.slots.release(r)
		if code := cannotStart(err); code != 0 {
			return r.failed(hodei.ReasonCommandNotFound, code, argv[0]+": "+complaint(path, err))
		}
		return r.failed(hodei.ReasonStartFailed, 0, fmt.Sprintf("%s: %v", argv[0], err))
	}
	if !started {
		defer w.slots.release(r)
		return ended(r.process.abandon(), nil)
	}
	return w.follow(r, out)
}

// start starts the command on two fresh pipes.
func (w *Worker) start(r *run, path string, argv []string, at place) (*joblog.Pipes, bool, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, false, err
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		return nil, false, err
	}
	defer errW.Close()
	started, err := r.process.start(path, argv, &os.ProcAttr{
		Dir: at.dir, Env: w.environment(&r.req, at), Files: []*os.File{w.null, outW, errW},
	})
	if !started {
		outR.Close()
		errR.Close()
		return nil, false, err
	}
	return joblog.NewPipes(r.journal, outR, errR), true, nil
}

// follow waits for the command to exit, kills the rest of its group, and frees
// the slots. Processes that left the group are killed if the execution was
// stopped or if they hold the pipes: a command may leave a daemon that has
// closed them.
func (w *Worker) follow(r *run, out *joblog.Pipes) hodei.Outcome {
	group := r.process.proc.Pid
	w.reaper.Add(group, r.req.ExecutionID, r.fence.reaping())
	if s := r.req.TimeoutSeconds; s != nil {
		defer time.AfterFunc(time.Duration(*s*float64(time.Second)), func() { r.process.stop(hodei.ReasonTimeout) }).Stop()
	}
	read := make(chan struct{})
	go func() { out.Read(); close(read) }()
	r.process.awaitExit()
	late := w.contact.overdue(r.fence) // before a contact can change that
	why := r.process.exited()
	if why != "" {
		r.process.rest()
	}
	at := time.Now().UTC()
	held := false
	select {
	case <-read:
	case <-time.After(straggle):
		held = out.Held()
	}
	state, err := r.process.reap(why != "" || held)
	w.reaper.Remove(group)
	w.slots.release(r)
	out.Hurry() // what cannot be found may hold a pipe still
	<-read
	if err != nil {
		w.log.Error("exit status unknown", "execution_id", r.req.ExecutionID, "err", err)
	}
	end := ended(why, state)
	if why == "" && suspicious(end) {
		switch {
		case late: // by the reaper, while the worker was paused
			end.Reason = new(hodei.ReasonWorkerLost)
		case w.oom.struck(time.Now()):
			end.Reason = new(hodei.ReasonOutOfMemory)
		}
	}
	end.CompletedAt = at
	return end
}
