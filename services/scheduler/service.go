package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// Config is what a Scheduler needs; NATS and DB are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	// Weights weigh the criteria; plan.DefaultWeights when zero.
	Weights plan.Weights
	// MaxQueue is how many executions an instance queues before it refuses
	// more; 100,000 when 0.
	MaxQueue int
	// Ageing is how long waiting counts as much as one level of priority; 10
	// min when 0. When negative, age never outweighs priority.
	Ageing time.Duration
	// Sweep is how often the record is searched for executions that no
	// instance has queued; 5 s when 0.
	Sweep time.Duration
}

// Scheduler is one instance of the service.
type Scheduler struct {
	cfg      Config
	nc       *nats.Conn
	db       *postgres.DB
	log      *slog.Logger
	svc      *rpc.Service
	fleet    *fleet
	queue    *queue
	ready    chan struct{}
	inflight sync.WaitGroup // assignments under way
	trouble  trouble
	given    given
	pace     pace
	more     atomic.Bool   // the record has more pending executions than were adopted
	later    atomic.Bool   // the record will be searched within a second
	soon     chan struct{} // one value: the record is to be searched before its time
}

// New returns an instance that does nothing before Run.
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
		fleet: newFleet(cfg.Weights), queue: newQueue(order(cfg.Ageing)), ready: make(chan struct{}), soon: make(chan struct{}, 1),
		given: given{ids: map[hodei.ExecutionID]bool{}},
	}
	s.svc = rpc.New(rpc.Config{
		NATS: cfg.NATS, Name: schemas.Scheduler, Version: cfg.Version, Log: cfg.Log,
		Description: "The queue and the choice of worker", InFlight: 4096, Stats: s.stats,
	})
	rpc.Handle(s.svc, schemas.Schedule, s.schedule)
	rpc.Handle(s.svc, schemas.PlaceExecution, s.place)
	rpc.Handle(s.svc, schemas.GetQueue, s.getQueue)
	rpc.Handle(s.svc, schemas.SchedulerHealth, s.health)
	return s
}

// Ready is closed once the fleet is known and the service answers.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Run schedules until ctx is done, and returns when the assignments under way
// are settled. What is still queued stays PENDING in the record.
func (s *Scheduler) Run(ctx context.Context) error {
	events, err := s.nc.Subscribe(schemas.EventSubjects, s.onEvent)
	if err != nil {
		return err
	}
	defer events.Unsubscribe()
	synced := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(ctx, synced) })
	g.Go(func() error {
		select {
		case <-synced:
			return s.svc.Run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { return s.dispatch(ctx) })
	g.Go(func() error { return s.sweep(ctx) })
	g.Go(func() error {
		select {
		case <-s.svc.Ready():
			close(s.ready)
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}

// watch keeps the view of the fleet, through losses of the bucket and of the
// connection.
func (s *Scheduler) watch(ctx context.Context, synced chan struct{}) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return err
	}
	var once sync.Once
	for ctx.Err() == nil {
		workers, err := kv.OpenWorkers(ctx, js)
		if err == nil {
			err = workers.Watch(ctx, func(u kv.Update) {
				if u.Synced {
					once.Do(func() { close(synced) })
					return
				}
				s.hear(u)
			})
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "fleet watch broke; starting again", "err", err)
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

// stats tells operators, beside what any endpoint tells, what this instance
// has queued, how many of these it is assigning, and what it sees of the fleet.
func (s *Scheduler) stats(op string) map[string]int64 {
	if op != schemas.Schedule.Name {
		return nil
	}
	queued, assigning := s.queue.size()
	workers, free := s.fleet.size()
	return map[string]int64{"queued": int64(queued), "assigning": int64(assigning), "workers": int64(workers), "free_slots": int64(free)}
}

func (s *Scheduler) health(ctx context.Context, _ schemas.Empty) (schemas.Health, error) {
	return rpc.Health(ctx, map[string]func(context.Context) error{"postgres": s.db.Ping}), nil
}
