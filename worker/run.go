package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/uploads"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/exec"
	"github.com/hodei-jobs/hodei/worker/exec/process"
	"github.com/hodei-jobs/hodei/worker/joblog"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// straggle is how long output is read after the command has exited, if one of
// its descendants holds the pipes.
const straggle = time.Second

// run is one execution, from acceptance until its end is recorded.
//
// Its goroutines: do, which follows the processes and then reports the end; those
// of outputs; and one that removes the directories.
type run struct {
	req       schemas.ExecutionRequest
	startedAt time.Time
	process   ending
	after     *ending // of the script that follows the command, nil without one
	fence     *fence  // nil if it will not be restarted
	journal   *joblog.Journal
	secrets   *mask.Set      // what the log masks
	delays    rate.Sometimes // limits the lines about delayed transfers
	// environment is that of the job, with its secrets.
	environment map[string]string
	// reports are the digests of the test reports that were counted.
	reports map[[sha256.Size]byte]bool
	// giveUp ends the context of do: nothing more is reported.
	giveUp context.CancelFunc
}

// abandon stops an execution whose result is not wanted.
func (r *run) abandon() {
	r.stop(hodei.ReasonWorkerLost)
	r.giveUp()
	r.journal.Drop()
}

// do runs the execution and returns when everything is reported, or when ctx is
// done because the result is not wanted.
func (w *Worker) do(ctx context.Context, r *run) {
	free := sync.OnceFunc(func() { w.slots.release(r) })
	at, err := w.state.places.Take(r.req.WorkingDir)
	var end hodei.Outcome
	if err != nil {
		end = r.failed(hodei.ReasonStartFailed, 0, fmt.Sprintf("working directory: %v", err))
	} else if err := w.openSecrets(r); err != nil {
		end = r.failed(hodei.ReasonSecretMissing, 0, err.Error())
	} else if reason, err := w.receive(ctx, r, at); err != nil {
		end = r.failed(reason, 0, err.Error())
	} else {
		caches := w.restore(ctx, r, at)
		end = w.execute(r, at, free)
		r.results(at, &end)
		w.runAfter(r, at, &end, free)
		free()
		w.keep(ctx, r, at, &end)
		w.saveCaches(ctx, r, at, caches, &end)
	}
	free()
	w.closeSecrets(r)
	r.process.close()
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

// execute runs the command to its end and reads all of its output. It frees the slots
// when the processes have ended, unless a script follows.
func (w *Worker) execute(r *run, at process.Place, free func()) hodei.Outcome {
	out, err := w.start(&r.process, r, at, r.req.Argv(), w.variables(&r.req, at))
	if err == nil {
		if r.after != nil {
			free = func() {}
		}
		return w.follow(r, out, free)
	}
	var failed *exec.StartError
	switch {
	case errors.Is(err, exec.ErrSignalled):
		return ended(r.process.exited(), nil)
	case errors.As(err, &failed) && failed.ExitCode != 0:
		return r.failed(hodei.ReasonCommandNotFound, failed.ExitCode, err.Error())
	}
	return r.failed(hodei.ReasonStartFailed, 0, err.Error())
}

// start starts a program of the run on two fresh pipes.
func (w *Worker) start(p *ending, r *run, at process.Place, argv []string, vars map[string]string) (*joblog.Pipes, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	defer errW.Close()
	if err := p.Start(exec.Command{
		Args: argv, Dir: at.Dir, Home: at.Home, Tmp: at.Tmp, Variables: vars, Environment: r.environment,
		Stdin: w.null, Stdout: outW, Stderr: errW, Fence: r.fence.reaping(),
	}); err != nil {
		outR.Close()
		errR.Close()
		return nil, err
	}
	return joblog.NewPipes(r.journal, outR, errR), nil
}

// variables returns the environment variables that Hodei sets for a command. Those of a run are
// in the environment of its executions, and empty for others.
func (w *Worker) variables(req *schemas.ExecutionRequest, at process.Place) map[string]string {
	vars := map[string]string{
		"CI": "true", "HODEI_JOB": "",
		outputVariable: outputFile(at), uploads.Variable: uploadsDir(at), "HODEI_WORKER_ID": w.id.String(), "HODEI_ATTEMPT": strconv.Itoa(req.Attempt),
	}
	for _, field := range hodei.RunFields {
		vars[hodei.RunVariable(field)] = ""
	}
	if req.JobID != nil {
		vars["HODEI_JOB_ID"] = req.JobID.String()
	}
	if req.PipelineID != nil {
		vars["HODEI_PIPELINE_ID"] = req.PipelineID.String()
	}
	return vars
}

// clear releases the directories of an execution.
func (w *Worker) clear(id hodei.ExecutionID, p process.Place) {
	if err := w.state.places.Leave(id, p); err != nil {
		w.log.Warn("directories not removed", "execution_id", id, "err", err)
	}
}

// follow waits for the command to exit and returns the outcome.
func (w *Worker) follow(r *run, out *joblog.Pipes, free func()) hodei.Outcome {
	if s := r.req.TimeoutSeconds; s != nil {
		defer time.AfterFunc(time.Duration(*s*float64(time.Second)), func() { r.process.stop(hodei.ReasonTimeout) }).Stop()
	}
	return w.await(&r.process, r, out, free).outcome()
}

// await waits for a process of the run to exit, kills the rest of its group, calls
// free, and reads the output to its end. Processes that left the group are killed if
// the process was stopped or if they hold the pipes: a command may leave a daemon that
// has closed them.
func (w *Worker) await(p *ending, r *run, out *joblog.Pipes, free func()) over {
	read := make(chan struct{})
	go func() { out.Read(); close(read) }()
	p.Wait()
	end := over{late: w.contact.overdue(r.fence)} // before a contact can change that
	if end.why = p.exited(); end.why != "" {
		p.rest()
	}
	end.at = time.Now().UTC()
	held := false
	select {
	case <-read:
	case <-time.After(straggle):
		held = out.Held()
	}
	var err error
	end.exit, err = p.Sweep(end.why != "" || held)
	free()
	out.Hurry() // a process that is not found may still hold a pipe
	<-read
	if err != nil {
		w.log.Error("exit status unknown", "execution_id", r.req.ExecutionID, "err", err)
	}
	return end
}
