package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

const (
	leaveWithin = 5 * time.Second // after that, the lease expires
	// reportWithin is how long a terminating worker keeps reporting after all
	// its commands are dead.
	reportWithin = 30 * time.Second
)

// register registers the worker under its earlier id. A worker without one, or
// that is to have a fresh one, chooses an id, because the id is part of the
// subject of every request that it makes. It retries until ctx is done, because
// the services may start later.
func (w *Worker) register(ctx context.Context) error {
	req := schemas.RegisterWorkerRequest{
		Type: w.cfg.Type, Capacity: w.cfg.Slots, Labels: w.cfg.Labels, Incarnation: w.incarnation, Dedicated: w.cfg.Dedicated,
	}
	if req.ID = w.cfg.ID; req.ID == nil && !w.cfg.Fresh {
		req.ID = w.state.workerID()
	}
	if req.ID == nil {
		id := hodei.WorkerID(uuid.Must(uuid.NewV7()))
		req.ID = &id
	}
	w.id = *req.ID
	if err := w.state.keepID(w.id); err != nil {
		return err
	}
	if w.cfg.Name != "" {
		req.Name = &w.cfg.Name
	}
	if w.cfg.Version != "" {
		req.Version = &w.cfg.Version
	}
	var waiting sync.Once
	worker, err := backoff.Retry(ctx, func() (hodei.Worker, error) {
		w.contact.at = reaper.Uptime()
		worker, err := rpc.Call(ctx, w.cfg.NATS, schemas.JoinWorker, req)
		if errors.Is(err, hodei.Invalid) && !rpc.IsUnknownField(err) { // an older worker manager may be replaced soon
			err = backoff.Permanent(err)
		}
		return worker, err
	}, rpc.Patience(), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		waiting.Do(func() { w.log.Warn("not registered yet, waiting for the worker manager", "err", err) })
	}))
	if err != nil {
		return fmt.Errorf("register worker: %w", err)
	}
	w.slots.cordon(worker.Cordoned, nil) // an earlier process may have been
	w.reaper.Touch(w.contact.at)
	return nil
}

// serve runs a registered worker. Its goroutines, which all end before it
// returns: the key, the service, resending, the reaper, and one for each
// execution.
func (w *Worker) serve(ctx context.Context) error {
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var upkeep sync.WaitGroup
	keepUp := func(what string, part func(context.Context)) {
		upkeep.Go(func() { w.supervise(alive, what, part) })
	}
	defer upkeep.Wait()
	defer end()
	w.shipper = joblog.Shipper{
		NATS: w.cfg.NATS, Worker: w.id, Incarnation: w.incarnation, Log: w.log, Find: w.slots.journal, All: w.slots.journals,
	}

	sub, err := w.cfg.NATS.Subscribe(schemas.StoredSubject(w.id), func(msg *nats.Msg) {
		defer rpc.Recover(w.log, "stored chunks")
		w.shipper.Stored(msg)
	})
	if err != nil {
		return fmt.Errorf("follow stored logs: %w", err)
	}
	defer sub.Unsubscribe()
	bucket, err := w.openBucket(ctx)
	if err == nil {
		guarded := make(chan struct{}) // nothing may run before that
		keepUp("reaper", func(ctx context.Context) { w.keepReaper(ctx, sync.OnceFunc(func() { close(guarded) })) })
		keepUp("resending", func(ctx context.Context) { w.shipper.Resend(ctx, w.reconnected.Set) })
		keepUp("fences", w.keepFences)
		<-guarded
		w.work(ctx, alive, bucket)
	}
	w.leave(alive, bucket)
	return nil
}

// supervise restarts a part of the worker after a panic, until it returns.
func (w *Worker) supervise(ctx context.Context, what string, part func(context.Context)) {
	_ = rpc.Supervise(ctx, w.log, what, func(ctx context.Context) error { part(ctx); return nil }) // never fails
}

func (w *Worker) openBucket(ctx context.Context) (*kv.Workers, error) {
	js, err := jetstream.New(w.cfg.NATS)
	if err != nil {
		return nil, err
	}
	return backoff.Retry(ctx, func() (*kv.Workers, error) { return kv.OpenWorkers(ctx, js) },
		rpc.Patience(), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
			w.log.Warn("availability cannot be written yet", "err", err)
		}))
}

// work accepts executions until ctx is done or the worker has drained, then
// waits for its executions.
func (w *Worker) work(ctx, alive context.Context, bucket *kv.Workers) {
	answering, stop := context.WithCancel(alive)
	var answers sync.WaitGroup
	defer answers.Wait()
	defer stop()
	answers.Go(func() {
		w.answer(answering, alive, func() {
			var once sync.Once
			written := func() { once.Do(func() { close(w.ready) }) }
			answers.Go(func() {
				w.supervise(answering, "availability", func(ctx context.Context) { w.announce(ctx, bucket, written) })
			})
		})
	})
	select {
	case <-ctx.Done():
		w.slots.leave(hodei.WorkerDraining)
	case <-w.slots.drained:
	}
	w.finish()
}

// answer registers the micro service and handles requests until ctx is done;
// executions that it starts end with alive. It calls ready when it is
// registered.
func (w *Worker) answer(ctx, alive context.Context, ready func()) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		svc := rpc.New(rpc.Config{
			NATS: w.cfg.NATS, Name: schemas.Worker, Description: "Runs commands", Version: w.cfg.Version, Log: w.log,
			Metadata: map[string]string{"worker_id": w.id.String(), "type": w.cfg.Type},
		})
		rpc.HandleWorker(svc, schemas.RequestExecutions, w.id, func(ctx context.Context, req schemas.OfferRequest) (out schemas.Results[schemas.Acceptance], err error) {
			for _, offer := range req.Offers {
				var a schemas.Acceptance
				if err = offer.Validate(); err == nil {
					a = w.offer(alive, offer)
				}
				out.Results = append(out.Results, rpc.Result(ctx, svc, schemas.RequestExecutions.Op, a, err))
			}
			return out, nil
		})
		rpc.HandleWorker(svc, schemas.InterruptExecution, w.id, w.interrupt)
		rpc.HandleWorker(svc, schemas.CommandWorker, w.id, w.command)
		rpc.HandleWorker(svc, schemas.GetWorkerStatus, w.id, func(context.Context, schemas.Empty) (hodei.Availability, error) {
			return w.availability(), nil
		})
		over := make(chan struct{})
		var waiting sync.WaitGroup
		waiting.Go(func() {
			select {
			case <-svc.Ready():
				ready()
			case <-over:
			}
		})
		err := svc.Run(ctx)
		close(over)
		waiting.Wait()
		return struct{}{}, err
	}, rpc.Patience(), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		w.log.Warn("service not registered yet", "err", err)
	}))
	if err != nil && ctx.Err() == nil {
		w.log.Error("service ended", "err", err)
	}
}

// finish returns when every execution has ended and is recorded. Terminate
// kills them and then bounds the wait.
func (w *Worker) finish() {
	defer w.slots.runs.Wait()
	select {
	case <-w.slots.drained:
		return
	case <-w.terminate:
	}
	for _, r := range w.slots.all() {
		r.stop(hodei.ReasonWorkerTerminated)
	}
	select {
	case <-w.slots.drained:
	case <-time.After(w.cfg.Grace + straggle + w.cfg.reportWithin):
		w.slots.keep()
		for _, r := range w.slots.all() {
			w.log.Error("end not recorded, terminated", "execution_id", r.req.ExecutionID)
			r.abandon()
		}
	}
}

// leave deletes the key and reports to the worker manager that the worker
// leaves. If that fails for a while, the lease expires instead. The bucket may
// be nil.
func (w *Worker) leave(ctx context.Context, bucket *kv.Workers) {
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	if bucket != nil {
		if err := bucket.Delete(ctx, w.id); err != nil {
			w.log.Warn("availability not deleted", "worker_id", w.id, "err", err)
		}
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		_, err := rpc.Call(ctx, w.cfg.NATS, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: w.id, Incarnation: w.incarnation})
		return struct{}{}, rpc.Final(err)
	}, rpc.Patience())
	if err != nil {
		w.log.Warn("leaving not reported", "worker_id", w.id, "err", err)
		return
	}
	w.log.Info("worker left", "worker_id", w.id)
}
