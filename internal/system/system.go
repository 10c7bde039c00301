package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/access"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/services/workermanager"
	"github.com/hodei-jobs/hodei/worker"
)

// Config chooses the roles. Connect is required, and DatabaseURL for the
// services. A nil role does not run.
type Config struct {
	// Connect opens a connection with a name. Each role has its own.
	Connect     func(name string) (*nats.Conn, error)
	DatabaseURL string
	// DatabaseConns limits the connections to Postgres; 0 means the default of
	// postgres.Open.
	DatabaseConns int
	Version       string
	Log           *slog.Logger

	Orchestrator *orchestrator.Config
	Scheduler    *scheduler.Config
	Manager      *workermanager.Config
	Access       *access.Config
	Artifacts    *artifacts.Config
	Edge         *edge.Config
	Workers      []worker.Config
	// KeepWorkers replaces workers that leave because of a command, or that
	// fail.
	KeepWorkers bool

	// HealthAddr is where /healthz, /readyz and /metrics of the process are served;
	// nowhere when empty.
	HealthAddr string

	// Terminate, when closed, makes the workers kill their executions instead
	// of waiting for them.
	Terminate <-chan struct{}
}

// System is a set of roles that run together.
type System struct {
	cfg   Config
	db    *postgres.DB
	conns []conn
	edge  *edge.Edge
	// failed receives the first error that ends the system.
	failed chan error
	ready  atomic.Bool
	// giveUp ends the building of the roles.
	giveUp context.CancelFunc
	// The groups start in this order and stop in the reverse order.
	services, front, fleet group
	members                []*member
}

// part is one role.
type part struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{}
	ended chan struct{} // closed after run has returned
	// health is called once the role is ready.
	health func(context.Context) schemas.Health
}

// Run builds the roles, runs them until ctx is done or one of them fails, and
// stops them in order. It calls ready when every role is ready. Workers may
// leave by themselves; a system of workers only ends with the last one.
func Run(ctx context.Context, cfg Config, ready func(*System)) error {
	s := &System{cfg: cfg, failed: make(chan error, 1)}
	defer s.close()
	building, giveUp := context.WithCancel(ctx)
	defer giveUp()
	s.giveUp = giveUp
	if err := s.build(building); err != nil {
		return s.cause(err)
	}
	stopHealth, err := s.serveHealth()
	if err != nil {
		return err
	}
	defer stopHealth()
	s.terminateOnDemand()
	err = s.start(ctx, s.failed)
	if err == nil {
		err = s.settle()
	}
	if err == nil {
		s.ready.Store(true)
		ready(s)
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		case <-s.deserted():
		}
	}
	stopped := errors.Join(s.fleet.stop(), s.front.stop(), s.services.stop())
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, stopped)
}

// deserted returns a channel that is closed when a system of workers only has
// lost all of them.
func (s *System) deserted() <-chan struct{} {
	if len(s.services.parts)+len(s.front.parts) > 0 {
		return nil
	}
	return s.fleet.left
}

// HTTPAddrs returns the edge's addresses: orchestrator, scheduler, worker
// manager.
func (s *System) HTTPAddrs() [3]string { return s.edge.Addrs() }

// HTTPScheme returns the scheme of the edge's addresses: http or https.
func (s *System) HTTPScheme() string { return s.edge.Scheme() }

// WorkerIDs returns the workers' ids, in the order of the configuration.
func (s *System) WorkerIDs() []string {
	var ids []string
	for _, m := range s.members {
		ids = append(ids, m.worker().ID().String())
	}
	return ids
}

// build opens the database and the connections and creates the roles.
func (s *System) build(ctx context.Context) error {
	cfg := &s.cfg
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Orchestrator != nil || cfg.Scheduler != nil || cfg.Manager != nil || cfg.Access != nil || cfg.Artifacts != nil {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	for _, build := range []func() error{s.buildServices, s.buildEdge, s.buildWorkers} {
		if err := build(); err != nil {
			return err
		}
	}
	return nil
}

// prepare migrates the database. If there is a worker manager, it also sets up
// the streams, because only the worker manager knows the number of replicas.
func (s *System) prepare(ctx context.Context) error {
	db, err := postgres.Open(ctx, s.cfg.DatabaseURL, s.cfg.DatabaseConns)
	if err != nil {
		return err
	}
	s.db = db
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	if s.cfg.Manager == nil {
		return nil
	}
	nc, err := s.connect("hodei "+schemas.WorkerManager, permit.Program(schemas.WorkerManager))
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return kv.Setup(ctx, js, s.cfg.Manager.Storage)
}

func (s *System) buildServices() error {
	if cfg := s.cfg.Orchestrator; cfg != nil {
		err := s.buildService("orchestrator", func(nc *nats.Conn) service {
			cfg.NATS, cfg.DB, cfg.Log, cfg.Version = nc, s.db, s.cfg.Log, s.cfg.Version
			return orchestrator.New(*cfg)
		})
		if err != nil {
			return err
		}
	}
	if cfg := s.cfg.Scheduler; cfg != nil {
		err := s.buildService("scheduler", func(nc *nats.Conn) service {
			cfg.NATS, cfg.DB, cfg.Log, cfg.Version = nc, s.db, s.cfg.Log, s.cfg.Version
			return scheduler.New(*cfg)
		})
		if err != nil {
			return err
		}
	}
	if cfg := s.cfg.Manager; cfg != nil {
		err := s.buildService("worker-manager", func(nc *nats.Conn) service {
			cfg.NATS, cfg.DB, cfg.Log, cfg.Version = nc, s.db, s.cfg.Log, s.cfg.Version
			return workermanager.New(*cfg)
		})
		if err != nil {
			return err
		}
	}
	if cfg := s.cfg.Access; cfg != nil {
		err := s.buildService("access", func(nc *nats.Conn) service {
			cfg.NATS, cfg.DB, cfg.Log, cfg.Version = nc, s.db, s.cfg.Log, s.cfg.Version
			return access.New(*cfg)
		})
		if err != nil {
			return err
		}
	}
	if cfg := s.cfg.Artifacts; cfg != nil {
		err := s.buildService("artifacts", func(nc *nats.Conn) service {
			cfg.NATS, cfg.DB, cfg.Log, cfg.Version = nc, s.db, s.cfg.Log, s.cfg.Version
			return artifacts.New(*cfg)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// service is the interface of all services.
type service interface {
	Run(context.Context) error
	Ready() <-chan struct{}
	Health(context.Context) schemas.Health
}

// buildService adds a service with a separate connection.
func (s *System) buildService(name string, on func(*nats.Conn) service) error {
	nc, err := s.connect("hodei "+name, permit.Program(name))
	if err != nil {
		return err
	}
	one := on(nc)
	s.services.add(name, one.Run, one.Ready(), one.Health)
	return nil
}

func (s *System) buildEdge() error {
	cfg := s.cfg.Edge
	if cfg == nil {
		return nil
	}
	nc, err := s.connect("hodei edge", permit.Program(schemas.Edge))
	if err != nil {
		return err
	}
	cfg.NATS, cfg.Log, cfg.Version = nc, s.cfg.Log, s.cfg.Version
	s.edge = edge.New(*cfg)
	s.front.add("edge", s.edge.Run, s.edge.Ready(), s.edge.Health)
	return nil
}

func (s *System) buildWorkers() error {
	for i, cfg := range s.cfg.Workers {
		name, needs := "hodei worker", everything
		if cfg.ID != nil {
			name, needs = name+" "+cfg.ID.String(), permit.Worker(*cfg.ID)
		}
		nc, err := s.connect(name, needs)
		if err != nil {
			return err
		}
		cfg.NATS, cfg.Log, cfg.Version = nc, s.cfg.Log, s.cfg.Version
		m, err := newMember(cfg, s.cfg.KeepWorkers)
		if err != nil {
			return fmt.Errorf("worker %d: %w", i+1, err)
		}
		s.members = append(s.members, m)
		s.fleet.add("worker", m.run, m.worker().Ready(), func(context.Context) schemas.Health { return m.worker().Health() })
	}
	s.fleet.mayEnd = true
	return nil
}

// start starts the groups in sequence, each when the previous one is ready.
func (s *System) start(ctx context.Context, failed chan error) error {
	for _, g := range []*group{&s.services, &s.front, &s.fleet} {
		g.start(ctx, failed)
		for _, p := range g.parts {
			select {
			case <-p.ready:
			case <-p.ended:
				select {
				case err := <-failed:
					return err
				default: // a worker that left before it was ready
				}
			case err := <-failed:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func (s *System) terminateOnDemand() {
	if s.cfg.Terminate == nil {
		return
	}
	s.fleet.aside = func(stopped <-chan struct{}) {
		select {
		case <-s.cfg.Terminate:
			for _, m := range s.members {
				m.terminate()
			}
		case <-stopped:
		}
	}
}

// close drains the connections and closes the database.
func (s *System) close() {
	for _, nc := range s.conns {
		closed := nc.StatusChanged(nats.CLOSED)
		if err := nc.Drain(); err == nil {
			select {
			case <-closed:
			case <-time.After(5 * time.Second):
			}
		}
		nc.Close()
	}
	if s.db != nil {
		s.db.Close()
	}
}

// group is a set of roles that start and stop together.
type group struct {
	parts   []part
	aside   func(stopped <-chan struct{}) // runs beside the parts
	cancel  context.CancelFunc
	running sync.WaitGroup
	stopped chan struct{}
	mayEnd  bool          // its parts may end by themselves
	left    chan struct{} // closed when all parts have ended
	mu      sync.Mutex
	errs    []error
	ended   int // number of parts that ended by themselves
}

func (g *group) add(name string, run func(context.Context) error, ready <-chan struct{}, health func(context.Context) schemas.Health) {
	g.parts = append(g.parts, part{name, run, ready, make(chan struct{}), health})
}

// start runs the parts until stop. It reports the first part that ends by
// itself, unless mayEnd is set.
func (g *group) start(ctx context.Context, failed chan<- error) {
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.stopped, g.left = make(chan struct{}), make(chan struct{})
	for _, p := range g.parts {
		g.running.Go(func() {
			defer close(p.ended)
			err := p.run(ctx)
			if err == nil && g.mayEnd {
				g.leave()
				return
			}
			if ctx.Err() == nil {
				if err == nil {
					err = errors.New("ended")
				}
				select {
				case failed <- fmt.Errorf("%s: %w", p.name, err):
				default:
				}
				return
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				g.mu.Lock()
				g.errs = append(g.errs, fmt.Errorf("%s: %w", p.name, err))
				g.mu.Unlock()
			}
		})
	}
	if g.aside != nil {
		go g.aside(g.stopped)
	}
}

// leave counts a part that ended by itself.
func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended++; g.ended == len(g.parts) {
		close(g.left)
	}
}

// stop stops the parts and waits for them.
func (g *group) stop() error {
	if g.cancel == nil {
		return nil
	}
	g.cancel()
	g.running.Wait()
	close(g.stopped)
	return errors.Join(g.errs...)
}
