package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// Config configures a Scheduler. NATS and DB are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	// Weights weigh the criteria; plan.DefaultWeights when zero.
	Weights plan.Weights
	// MaxQueue is how many executions are queued before a request for one more is
	// refused; 100,000 when 0.
	MaxQueue int
	// Ageing is how long waiting counts as much as one level of priority; 10
	// min when 0. When negative, age never outweighs priority.
	Ageing time.Duration
	// Sweep is the interval in which the record is searched for executions that
	// are not queued. Default: 5 s.
	Sweep time.Duration
}

// Scheduler is one instance of the service.
type Scheduler struct {
	cfg      Config
	nc       *nats.Conn
	db       *postgres.DB
	log      *slog.Logger
	leads    func() bool // whether the lease is trusted
	fleet    *fleet
	queue    *queue
	ready    chan struct{}
	inflight sync.WaitGroup // assignments
	backoff  backoff
	// assignments sends assignments; those to one worker share a request.
	assignments batch.Groups[hodei.WorkerID, hodei.ExecutionID, schemas.Assignment]
	more        atomic.Bool  // the record has more pending executions than were adopted
	fullAt      atomic.Int64 // when a full queue was last announced, in Unix nanoseconds
	soon        rpc.Signal   // sweep now
	broken      rpc.Signal   // a panic may have left the fleet and the queue inconsistent: rebuild them
}

// New returns an instance that is idle until Run.
func New(cfg Config) *Scheduler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Weights == (plan.Weights{}) {
		cfg.Weights = plan.DefaultWeights
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = 100_000
	}
	if cfg.Ageing == 0 {
		cfg.Ageing = 10 * time.Minute
	}
	if cfg.Sweep == 0 {
		cfg.Sweep = 5 * time.Second
	}
	s := &Scheduler{
		cfg: cfg, nc: cfg.NATS, db: cfg.DB, log: cfg.Log,
		fleet: newFleet(cfg.Weights), queue: newQueue(order(cfg.Ageing)), ready: make(chan struct{}), soon: rpc.NewSignal(), broken: rpc.NewSignal(),
		leads: func() bool { return true },
	}
	s.assignments.Run = s.requestAssignments
	return s
}

// service is the micro service, without endpoints.
func (s *Scheduler) service() *rpc.Service {
	return rpc.New(rpc.Config{
		NATS: s.nc, Name: schemas.Scheduler, Version: s.cfg.Version, Log: s.log,
		Description: "The queue and the choice of worker", InFlight: 4096, Stats: s.stats, Panicked: s.broken.Set, Audit: s.cfg.DB.Audit,
		PipelineOf: s.cfg.DB.PipelineOf, CallerKey: s.cfg.DB.CallerKey,
	})
}

// Ready is closed once this instance leads and answers, or stands by.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Run leads while no other scheduler does, and stands by otherwise, until ctx is done and
// the assignments in flight are settled. What is still queued stays PENDING in the record.
func (s *Scheduler) Run(ctx context.Context) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return err
	}
	lease := kv.NewLeader(js, schemas.SchedulerLease)
	s.leads = lease.Trusted
	isReady := sync.OnceFunc(func() { close(s.ready) })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := s.standBy(ctx, g, lease, isReady); err != nil || ctx.Err() != nil {
				return err
			}
			if err := lease.Hold(ctx, func(leading context.Context) error { return s.lead(leading, ctx, isReady) }); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// standBy returns when this instance has the lease, or ctx is done. While another instance
// has it, this one serves without endpoints, in g: the service stops while this instance
// already leads, because a stop takes longer than the lease may wait for its renewal.
func (s *Scheduler) standBy(ctx context.Context, g *errgroup.Group, lease *kv.Leader, ready func()) error {
	if lease.TryAcquire(ctx) {
		return nil
	}
	serving, leave := context.WithCancel(ctx)
	defer leave()
	g.Go(func() error { return serve(serving, s.service(), ready) })
	if err := lease.Acquire(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// serve answers requests until ctx is done.
func serve(ctx context.Context, svc *rpc.Service, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return svc.Run(ctx) })
	g.Go(func() error {
		select {
		case <-svc.Ready():
			ready()
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}

// lead decides and answers requests until ctx is done, which ends no later than run.
func (s *Scheduler) lead(ctx, run context.Context, ready func()) error {
	s.log.InfoContext(ctx, "this scheduler leads")
	defer s.log.InfoContext(ctx, "this scheduler no longer leads")
	svc := s.service()
	rpc.Handle(svc, schemas.Schedule, s.schedule)
	rpc.Handle(svc, schemas.PlaceExecution, s.place)
	rpc.Handle(svc, schemas.GetQueue, s.getQueue)
	rpc.HandleHealth(svc, schemas.SchedulerHealth, s.Health)
	synced := make(chan struct{})
	known := sync.OnceFunc(func() { close(synced) })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return rpc.Supervise(ctx, s.log, "scheduling", func(ctx context.Context) error { return s.decide(ctx, known) })
	})
	g.Go(func() error {
		select {
		case <-synced:
			return serve(s.untilConnected(ctx, run), svc, ready)
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// untilConnected returns a context that ends when ctx is done and NATS is connected, or with
// run. A service that is to be registered again must not stop while the connection is lost:
// nats.go drains a subscription, repeats it on the next connection, and then forgets it, so
// the server would send part of the requests to a subscription without a handler.
func (s *Scheduler) untilConnected(ctx, run context.Context) context.Context {
	serving, stop := context.WithCancel(run)
	context.AfterFunc(ctx, func() {
		defer stop()
		changed := s.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
		defer s.nc.RemoveStatusListener(changed)
		for !s.nc.IsConnected() && !s.nc.IsClosed() {
			select {
			case <-changed:
			case <-run.Done():
				return
			}
		}
	})
	return serving
}

// errRestart is the answer to waiting requests when the queue is rebuilt, by this instance
// or the next leader.
var errRestart = hodei.Errorf(hodei.Unavailable, "The scheduler is restarting; the execution stays PENDING")

// errDoubt ends decide after a panic.
var errDoubt = errors.New("the state may be inconsistent after a panic")

// decide builds the view of the fleet from the bucket and the queue from the
// record, and dispatches until ctx is done. It returns an error when one of its
// loops ends or a panic may have left the state inconsistent; the next call
// rebuilds the state.
func (s *Scheduler) decide(ctx context.Context, known func()) error {
	s.fleet.clear()
	s.queue.open()
	defer s.queue.close(errRestart)
	select {
	case <-s.broken:
	default:
	}
	events, err := s.nc.Subscribe(schemas.EventSubjects, func(msg *nats.Msg) {
		defer s.contain("events")
		s.onEvent(msg)
	})
	if err != nil {
		return err
	}
	defer events.Unsubscribe()
	g, ctx := errgroup.WithContext(ctx)
	for what, loop := range map[string]func(context.Context) error{
		"fleet watch": func(ctx context.Context) error { return s.watch(ctx, known) }, "dispatch": s.dispatch, "sweep": s.sweep,
	} {
		g.Go(func() error { return rpc.Try(s.log, what, func() error { return loop(ctx) }) })
	}
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-s.broken:
			return errDoubt
		}
	})
	return g.Wait()
}

// contain recovers a panic outside the loops of decide. It must be deferred.
func (s *Scheduler) contain(what string) {
	if p := recover(); p != nil {
		rpc.Caught(s.log, what, p)
		s.broken.Set()
	}
}

// after calls fn after d and contains its panics.
func (s *Scheduler) after(d time.Duration, fn func()) {
	time.AfterFunc(d, func() {
		defer s.contain("timer")
		fn()
	})
}

// watch keeps the view of the fleet up to date. It watches again after a failure.
func (s *Scheduler) watch(ctx context.Context, known func()) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		workers, err := kv.OpenWorkers(ctx, js)
		if err == nil {
			err = workers.Watch(ctx, func(u kv.Update) {
				if u.Synced {
					known()
					return
				}
				if s.fleet.watched(u, time.Now()) {
					s.queue.wake()
				}
			})
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "fleet watch failed", "err", err)
			pause(ctx, time.Second)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// stats returns further counters for `nats service stats`: the queued executions, those
// being assigned, the workers and their free slots.
func (s *Scheduler) stats(op string) map[string]int64 {
	if op != schemas.Schedule.Name {
		return nil
	}
	queued, assigning := s.queue.size()
	workers, free := s.fleet.size()
	return map[string]int64{"queued": int64(queued), "assigning": int64(assigning), "workers": int64(workers), "free_slots": int64(free)}
}

// Health is that of this instance.
func (s *Scheduler) Health(ctx context.Context) schemas.Health {
	reported := rpc.Checks{}
	if s.leads() { // a standby has no view of the fleet
		reported["workers"] = func(context.Context) error {
			if why := s.fleet.unschedulable(time.Now()); why != "" {
				return hodei.Errorf(hodei.Unavailable, "%s", why)
			}
			return nil
		}
	}
	return rpc.Health(ctx, rpc.Checks{"postgres": s.db.Check}, reported)
}
