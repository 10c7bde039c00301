package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rates"
	"github.com/hodei-jobs/hodei/schemas"
)

// Config configures a Service. NATS, Name and Description are required.
type Config struct {
	NATS        *nats.Conn
	Name        string
	Description string
	Version     string // SemVer; "0.0.0" when empty
	Metadata    map[string]string
	Log         *slog.Logger
	// Once implements idempotency keys. Without it, keys are ignored.
	Once Once
	// Audit writes a record of the audit log. Without it, only what is recorded together
	// with a change is.
	Audit func(context.Context, hodei.AuditRecord) error
	// PipelineOf returns the pipeline of a record, by its noun and a reference, or
	// NOT_FOUND. Without it, callers that are limited to pipelines can name no record.
	PipelineOf func(ctx context.Context, noun, ref string) (hodei.PipelineID, error)
	// CallerKey returns the key that authenticates people on NATS, see UserName. Without it,
	// their requests are not answered.
	CallerKey func(context.Context) ([]byte, error)
	// RatePerToken limits the requests a second of people on NATS with one token, twice as many
	// at once. Above it, they are RATE_LIMITED. Each instance counts its own. Default: 1000.
	RatePerToken int
	// Stats returns further counters of an operation for `nats service stats`.
	// It must return quickly and must not call the service.
	Stats func(op string) map[string]int64
	// Panicked is called after a handler panics, for a service whose state the
	// handler may have left inconsistent.
	Panicked func()
	// InFlight limits the requests in flight of an endpoint. Above it, the
	// endpoint answers UNAVAILABLE. Default: 1024.
	InFlight int
	// Waiting limits the requests of all endpoints that wait, in addition to
	// those in flight; see Wait. Default: 4096.
	Waiting int
	// Grace is how long a stop waits for requests in flight. Default: 10 s.
	Grace time.Duration
}

// Service is one instance of a micro service. Register operations with Handle,
// then call Run.
type Service struct {
	cfg       Config
	endpoints []*endpoint
	ready     chan struct{}
	gate      *gate
	crew      *crew
	people    *rates.Rates[hodei.TokenID]
	callers   callers
	waiting   atomic.Int64 // requests that wait, not counted as in flight
	calls     sync.Map     // waiting requests by the name that their caller chose
}

// New returns a service without endpoints. Nothing is registered before Run.
func New(cfg Config) *Service {
	if cfg.Version == "" {
		cfg.Version = "0.0.0"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = 1024
	}
	if cfg.Waiting == 0 {
		cfg.Waiting = 4096
	}
	if cfg.RatePerToken == 0 {
		cfg.RatePerToken = 1000
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	return &Service{cfg: cfg, ready: make(chan struct{}), gate: newGate(), crew: newCrew(), people: rates.PerSecond[hodei.TokenID](cfg.RatePerToken)}
}

// Handle has fn answer the operation. Instances of one service share the work. A
// request of an operation that is ByWorker reaches fn only if its sender is the worker
// of the subject, for which NATS has permissions.
func Handle[Req, Rep any](s *Service, op schemas.Operation[Req, Rep], fn func(context.Context, Req) (Rep, error)) {
	s.add(op.Op, op.Filter(), false, typed(s, op.Op, fn))
}

// HandleWorker registers fn for a per-worker operation of one worker. No other
// instance shares its subject.
func HandleWorker[Req, Rep any](s *Service, op schemas.Operation[Req, Rep], id hodei.WorkerID, fn func(context.Context, Req) (Rep, error)) {
	s.add(op.Op, op.SubjectFor(id), true, typed(s, op.Op, fn))
}

// Ready is closed when every endpoint is registered.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run registers the service and answers requests until ctx is done. It then
// accepts no more and returns when the requests in flight are answered or the
// grace is over. While the connection is lost it waits to be registered; it fails if the
// connection is closed.
func (s *Service) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	closed := s.cfg.NATS.StatusChanged(nats.CLOSED)
	defer s.cfg.NATS.RemoveStatusListener(closed)
	svc, err := micro.AddService(s.cfg.NATS, micro.Config{
		Name: s.cfg.Name, Version: s.cfg.Version, Description: s.cfg.Description, Metadata: s.cfg.Metadata,
		StatsHandler: s.stats,
	})
	if err != nil {
		return fmt.Errorf("register service %s: %w", s.cfg.Name, err)
	}
	defer svc.Stop()
	defer s.crew.dismiss()
	stopHangUps, err := s.followHangUps()
	if err != nil {
		return fmt.Errorf("register service %s: %w", s.cfg.Name, err)
	}
	defer stopHangUps()
	for _, e := range s.endpoints {
		if err := s.register(work, svc, e); err != nil {
			return fmt.Errorf("register endpoint %s of %s: %w", e.op.Name, s.cfg.Name, err)
		}
	}
	stopPeople, err := s.followPeople(work)
	if err != nil {
		return fmt.Errorf("register service %s: %w", s.cfg.Name, err)
	}
	defer stopPeople()
	if err := s.confirm(ctx); err != nil {
		return fmt.Errorf("register service %s: %w", s.cfg.Name, err)
	}
	close(s.ready)
	select {
	case <-ctx.Done():
	case <-closed:
		err = fmt.Errorf("serve %s: %w", s.cfg.Name, nats.ErrConnectionClosed)
	}
	stopPeople()
	if err := svc.Stop(); err != nil {
		s.cfg.Log.Warn("service stop", "service", s.cfg.Name, "err", err)
	}
	s.drain(cancel)
	return err
}

// confirmPause is the pause before the subscriptions of a service are confirmed again.
const confirmPause = 200 * time.Millisecond

// confirm returns when the server has the subscriptions, or ctx is done. It waits while the
// connection is lost, because nats.go repeats subscriptions on the next one, and fails if
// the connection is closed.
func (s *Service) confirm(ctx context.Context) error {
	for {
		flushing, cancel := context.WithTimeout(ctx, DefaultTimeout)
		err := s.cfg.NATS.FlushWithContext(flushing)
		cancel()
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case s.cfg.NATS.IsClosed():
			return nats.ErrConnectionClosed
		}
		s.cfg.Log.Warn("service not registered yet", "service", s.cfg.Name, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(confirmPause):
		}
	}
}

// settle is how long a stop must receive nothing before it concludes that
// nothing more will arrive.
const settle = 25 * time.Millisecond

// drain waits until received requests are answered. micro's Stop returns
// earlier: after a round trip nothing more can arrive from the server, but
// subscriptions may still be delivering messages that nats.go holds, and
// nats.go does not expose that.
func (s *Service) drain(cancel context.CancelFunc) {
	_ = s.cfg.NATS.FlushTimeout(time.Second) // fails without a connection, and then nothing arrives
	for seen := -1; seen != s.gate.count(); {
		seen = s.gate.count()
		time.Sleep(settle)
	}
	empty := s.gate.close()
	select {
	case <-empty:
	case <-time.After(s.cfg.Grace):
		s.cfg.Log.Warn("requests cut short by the stop", "service", s.cfg.Name)
		cancel()
		<-empty
	}
}

func (s *Service) register(ctx context.Context, svc micro.Service, e *endpoint) error {
	opts := []micro.EndpointOpt{
		micro.WithEndpointSubject(e.subject),
		micro.WithEndpointMetadata(e.metadata()),
	}
	if e.alone {
		opts = append(opts, micro.WithEndpointQueueGroupDisabled())
	}
	return svc.AddEndpoint(e.op.Endpoint(), micro.HandlerFunc(func(req micro.Request) { s.accept(ctx, e, req) }), opts...)
}

func (e *endpoint) metadata() map[string]string {
	meta := map[string]string{"role": string(e.op.Role)}
	if e.op.Internal {
		meta["internal"] = "true"
		return meta
	}
	for side, name := range map[string]string{"request": e.op.RequestSchema(), "reply": e.op.ReplySchema()} {
		if digest, err := schemas.Digest(name); err == nil {
			meta["schema."+side] = schemas.SchemaID(name)
			meta["schema."+side+".sha256"] = digest
		}
	}
	if e.op.Method != "" {
		meta["http"] = e.op.Method + " /api/v1" + e.op.Path
	}
	return meta
}
