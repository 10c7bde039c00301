package workermanager

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/notify"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/kv/check"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// Config configures a Manager. NATS and DB are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	// Storage configures the streams and the bucket.
	Storage kv.Storage
	// Secrets are the keys of secrets; without them none can be set or used.
	Secrets *seal.Keys
	// Notify configures how notifications are sent, and PublicURL is the address of the
	// console in them; without it they have no link.
	Notify    notify.Config
	PublicURL string
	// LostAfter is the silence after which a worker is lost. Default: 45 s.
	LostAfter time.Duration
	// Reconcile is the interval in which reports are compared with the record
	// and the streams are checked. Default: 5 s.
	Reconcile time.Duration
	// OfferHolds is how long a worker may take to accept an offer; after that
	// it must refuse, because the execution may then be elsewhere. Default: 3
	// s.
	OfferHolds time.Duration
	// LogRetention is how long logs are kept. Default: 30 days.
	LogRetention time.Duration
	// ExecutionRetention is how long an execution is kept after its end; 0
	// means for ever.
	ExecutionRetention time.Duration
}

// Manager is one instance of the service.
type Manager struct {
	cfg   Config
	nc    *nats.Conn
	js    jetstream.JetStream
	db    *postgres.DB
	log   *slog.Logger
	svc   *rpc.Service
	fleet *fleet
	// seal encrypts secrets on their way to a worker.
	seal *seal.Pair
	// offers are the executions that this instance is offering.
	offers offers
	// requests sends offers; those for one worker share a request.
	requests batch.Groups[hodei.WorkerID, schemas.ExecutionRequest, schemas.Acceptance]
	// sender sends notifications, sending are those that it sends, and room has an element
	// for each.
	sender  *notify.Sender
	sending sync.WaitGroup
	room    chan struct{}
	// interrupting are the interrupts for which nothing waits.
	interrupting errgroup.Group
	// refused counts the log chunks that the record will never accept.
	refused atomic.Int64
	// storing is the time since which JetStream stores nothing, nil while it
	// works.
	storing atomic.Pointer[time.Time]
}

// New returns an instance that is idle until Run.
func New(cfg Config) *Manager {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for value, standard := range map[*time.Duration]time.Duration{
		&cfg.LostAfter: 45 * time.Second, &cfg.Reconcile: 5 * time.Second, &cfg.OfferHolds: 3 * time.Second,
		&cfg.LogRetention: 30 * 24 * time.Hour,
	} {
		if *value == 0 {
			*value = standard
		}
	}
	m := &Manager{cfg: cfg, nc: cfg.NATS, db: cfg.DB, log: cfg.Log, fleet: newFleet(), room: make(chan struct{}, sendAtOnce)}
	m.interrupting.SetLimit(interruptsAtOnce)
	cfg.Notify.Version = cfg.Version
	m.sender = notify.New(cfg.Notify)
	m.requests.Run, m.requests.Size, m.requests.MaxSize = m.request, schemas.ExecutionRequest.Size, schemas.MaxSharedBytes
	m.svc = rpc.New(rpc.Config{
		NATS: cfg.NATS, Name: schemas.WorkerManager, Version: cfg.Version, Log: cfg.Log,
		Description: "Workers, assignment, the end of executions and their logs", Once: cfg.DB.Once, Audit: cfg.DB.Audit, PipelineOf: cfg.DB.PipelineOf, CallerKey: cfg.DB.CallerKey,
	})
	rpc.Handle(m.svc, schemas.RegisterWorker, m.registerWorker)
	rpc.Handle(m.svc, schemas.JoinWorker, m.joinWorker)
	rpc.Handle(m.svc, schemas.GetWorker, m.getWorker)
	rpc.Handle(m.svc, schemas.ListWorkers, m.listWorkers)
	rpc.Handle(m.svc, schemas.DrainWorker, m.drainWorker)
	rpc.Handle(m.svc, schemas.ResumeWorker, m.resumeWorker)
	rpc.Handle(m.svc, schemas.CordonWorker, m.cordonWorker)
	rpc.Handle(m.svc, schemas.UncordonWorker, m.uncordonWorker)
	rpc.Handle(m.svc, schemas.TerminateWorker, m.terminateWorker)
	rpc.Handle(m.svc, schemas.DeleteWorker, m.deleteWorker)
	rpc.Handle(m.svc, schemas.LeaveWorker, m.leaveWorker)
	rpc.Handle(m.svc, schemas.AssignExecution, m.assign)
	rpc.Handle(m.svc, schemas.AssignExecutions, m.assignAll)
	rpc.Handle(m.svc, schemas.StartExecution, m.start)
	rpc.Handle(m.svc, schemas.StopExecution, m.stop)
	rpc.Handle(m.svc, schemas.FinishExecutions, m.finish)
	rpc.Handle(m.svc, schemas.DeleteExecution, m.deleteExecution)
	rpc.Handle(m.svc, schemas.GetLogs, m.getLogs)
	rpc.Handle(m.svc, schemas.ReadLogs, m.readLogs)
	rpc.Handle(m.svc, schemas.SetSecret, m.setSecret)
	rpc.Handle(m.svc, schemas.ListSecrets, m.listSecrets)
	rpc.Handle(m.svc, schemas.DeleteSecret, m.deleteSecret)
	rpc.Handle(m.svc, schemas.RotateSecrets, m.rotateSecrets)
	rpc.Handle(m.svc, schemas.VerifySecret, m.verifySecret)
	rpc.Handle(m.svc, schemas.ListNotifications, m.listNotifications)
	rpc.Handle(m.svc, schemas.GetNotification, m.getNotification)
	rpc.Handle(m.svc, schemas.RedeliverNotification, m.redeliverNotification)
	rpc.Handle(m.svc, schemas.TestNotifications, m.testNotifications)
	rpc.HandleHealth(m.svc, schemas.WorkerManagerHealth, m.Health)
	return m
}

// Ready is closed when the service is ready.
func (m *Manager) Ready() <-chan struct{} { return m.svc.Ready() }

// Run works until ctx is done. It returns when the requests in flight are
// answered and the current batch is committed.
func (m *Manager) Run(ctx context.Context) error {
	js, err := jetstream.New(m.nc)
	if err != nil {
		return err
	}
	m.js = js
	if m.seal, err = seal.NewPair(); err != nil {
		return err
	}
	if err := kv.Setup(ctx, js, m.cfg.Storage); err != nil {
		return err
	}
	if err := m.checkRetention(ctx); err != nil {
		return err
	}
	if err := m.keepDays(ctx); err != nil {
		return err
	}
	if _, err := m.recallMembers(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.svc.Run(ctx) })
	g.Go(func() error { return rpc.Every(ctx, m.log, retainEvery, "retention", m.retain) })
	g.Go(func() error { return rpc.Every(ctx, m.log, m.cfg.Reconcile, "streams", m.keepStreams) })
	g.Go(func() error { return rpc.Supervise(ctx, m.log, "reconciler", m.keepReconciled) })
	g.Go(func() error { return m.again(ctx, "fleet watch", m.watch) })
	g.Go(func() error { return m.again(ctx, "log persister", m.persist) })
	g.Go(func() error {
		defer m.sending.Wait()
		return rpc.Supervise(ctx, m.log, "notifications", func(ctx context.Context) error { return m.notifications().Run(ctx, m.nc, m.log) })
	})
	err = g.Wait()
	_ = m.interrupting.Wait() // none begins after the service has ended, and none returns an error
	return err
}

// again runs fn until ctx is done. When fn fails, it sets up the streams and
// the bucket, because they may be lost.
func (m *Manager) again(ctx context.Context, what string, fn func(context.Context) error) error {
	first := true
	return rpc.Supervise(ctx, m.log, what, func(ctx context.Context) error {
		if !first {
			if err := kv.Setup(ctx, m.js, m.cfg.Storage); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "streams not set up", "err", err)
			}
		}
		first = false
		return fn(ctx)
	})
}

// keepStreams recreates lost streams or buckets, and those that refuse messages
// after a disk was full.
func (m *Manager) keepStreams(ctx context.Context) error {
	recreated, err := kv.Keep(ctx, m.js, m.cfg.Storage)
	for _, name := range recreated {
		m.log.WarnContext(ctx, "stream recreated: it was missing, or refused messages", "stream", name)
	}
	if err == nil {
		m.storing.Store(nil)
	} else if since := time.Now(); ctx.Err() == nil {
		m.storing.CompareAndSwap(nil, &since)
	}
	return err
}

// Health is that of this instance.
func (m *Manager) Health(ctx context.Context) schemas.Health {
	streams := sync.OnceValues(func() ([]check.Stream, error) { return check.Streams(m.nc, checkWithin) })
	required := rpc.Checks{"postgres": m.db.Check, "streams": func(context.Context) error { return m.checkStreams(streams()) }}
	reported := rpc.Checks{}
	if m.cfg.Storage.Replicas > 1 { // the streams work with one replica fewer
		reported["replicas"] = func(context.Context) error { return checkReplicas(streams()) }
	}
	return rpc.Health(ctx, required, reported)
}

// checkWithin is how long JetStream may take to report on one stream.
const checkWithin = time.Second

// checkStreams reports a failing test write, or a missing stream.
func (m *Manager) checkStreams(streams []check.Stream, err error) error {
	if since := m.storing.Load(); since != nil {
		return hodei.Errorf(hodei.Unavailable, "JetStream has stored nothing for %s: is the disk of NATS full?", time.Since(*since).Round(time.Second))
	}
	for _, s := range streams {
		if s.Info == nil {
			return hodei.Errorf(hodei.Unavailable, "the stream %s is missing; this service creates it again", s.Name)
		}
	}
	return err
}

// checkReplicas reports the exceeded thresholds of streams: a replica that is
// missing, offline or behind.
func checkReplicas(streams []check.Stream, err error) error {
	for _, s := range streams {
		if len(s.Problems) > 0 {
			return hodei.Errorf(hodei.Unavailable, "%s: %s", s.Name, strings.Join(s.Problems, ", "))
		}
	}
	return err
}

func (m *Manager) publish(ctx context.Context, event schemas.Event) {
	event.Time = time.Now().UTC()
	if err := rpc.PublishEvent(ctx, m.nc, event); err != nil {
		m.log.WarnContext(ctx, "event not published", "type", event.Type, "execution_id", event.Execution.ID, "err", err)
	}
}

func (m *Manager) publishEnd(ctx context.Context, e hodei.Execution, free *int, revision uint64) {
	m.publish(ctx, schemas.Event{Type: schemas.EndEvent(e.Status), Execution: e, Free: free, Revision: revision})
}

// wake has the orchestrators look at what the end of the execution makes due. Publishing
// fails on a closed connection; the orchestrators also poll.
func (m *Manager) wake(e hodei.Execution) {
	switch {
	case e.RetryAt != nil:
		_ = m.nc.Publish(schemas.RetrySubject, nil)
	case e.RunID != nil:
		m.wakeRuns()
	}
}

func (m *Manager) wakeRuns() { _ = m.nc.Publish(schemas.RunSubject, nil) }
