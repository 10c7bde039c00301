package worker

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// command executes a command to the worker. Repeating it changes nothing,
// except that a drain takes the latest deadline. The reply is the worker's
// state after the command.
func (w *Worker) command(_ context.Context, req schemas.CommandWorkerRequest) (hodei.Availability, error) {
	var err error
	switch req.Do {
	case schemas.Drain:
		var deadline *time.Timer
		if s := req.DeadlineSeconds; s != nil {
			deadline = time.AfterFunc(time.Duration(*s*float64(time.Second)), w.Terminate)
		}
		err = w.slots.drain(deadline)
	case schemas.Resume:
		err = w.slots.resume()
	case schemas.Terminate:
		w.Terminate()
	case schemas.Cordon, schemas.Uncordon:
		w.slots.cordon(req.Do == schemas.Cordon, req.Revision)
	}
	if err == nil {
		w.log.Info("worker command", "worker_id", w.id, "do", req.Do)
	}
	return w.availability(), err
}

// leave permanently stops accepting.
func (s *slots) leave(status hodei.WorkerStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.final = true
	if s.leaving != hodei.WorkerTerminating { // a drain does not revoke it
		s.leaving = status
		s.change()
	}
	s.depart()
}

// cordon sets whether the worker accepts new work. It does not make it leave. It does
// nothing if a later cordon or uncordon than the revision asOf is in force; nil is for
// a command of a user, which always counts.
func (s *slots) cordon(cordoned bool, asOf *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cordoned == cordoned || asOf != nil && s.cordonedAt > *asOf {
		return
	}
	s.cordoned = cordoned
	s.change()
	s.cordonedAt = s.revision
}

// drain stops accepting until resume. The deadline, nil for none, replaces that
// of an earlier drain.
func (s *slots) drain(deadline *time.Timer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.leaving == hodei.WorkerTerminating:
		stop(deadline)
		return hodei.Errorf(hodei.Conflict, "Worker is terminating")
	case s.gone():
		stop(deadline)
		return nil
	}
	stop(s.deadline)
	s.deadline = deadline
	if s.leaving == "" {
		s.leaving = hodei.WorkerDraining
		s.change()
	}
	s.depart()
	return nil
}

// resume accepts again. It returns CONFLICT if the worker has begun to leave,
// is terminating, or is being stopped by its owner.
func (s *slots) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.leaving == "":
		return nil
	case s.leaving == hodei.WorkerTerminating:
		return hodei.Errorf(hodei.Conflict, "Worker is terminating")
	case s.gone():
		return hodei.Errorf(hodei.Conflict, "Worker has left")
	case s.final:
		return hodei.Errorf(hodei.Conflict, "Worker is being stopped")
	case s.deadline != nil && !s.deadline.Stop(): // its time has just passed
		return hodei.Errorf(hodei.Conflict, "Worker is terminating")
	}
	s.leaving, s.deadline = "", nil
	s.change()
	return nil
}

// depart closes drained when nothing is left to wait for.
func (s *slots) depart() {
	if s.leaving == "" || len(s.held) > 0 || s.gone() {
		return
	}
	stop(s.deadline)
	close(s.drained)
}

func (s *slots) gone() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

func stop(timer *time.Timer) {
	if timer != nil {
		timer.Stop()
	}
}
