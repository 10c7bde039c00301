package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// Config configures a Service. NATS and DB are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	// AuditRetention is how long the audit log is kept; 0 means for ever.
	AuditRetention time.Duration
	// Callout has the keys with which the service decides who may connect to NATS. Without
	// them it does not: NATS has its own users.
	Callout *CalloutKeys
}

// Service is one instance of the service.
type Service struct {
	nc  *nats.Conn
	db  *postgres.DB
	log *slog.Logger
	svc *rpc.Service
	// auditKept is the AuditRetention.
	auditKept time.Duration
	callout   *CalloutKeys
}

// New returns an instance that is idle until Run.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{nc: cfg.NATS, db: cfg.DB, log: cfg.Log, auditKept: cfg.AuditRetention, callout: cfg.Callout}
	s.svc = rpc.New(rpc.Config{
		NATS: cfg.NATS, Name: schemas.Access, Version: cfg.Version, Log: cfg.Log,
		Description: "Tokens, sessions and the audit log", Once: cfg.DB.Once, Audit: cfg.DB.Audit, PipelineOf: cfg.DB.PipelineOf, CallerKey: cfg.DB.CallerKey,
	})
	rpc.Handle(s.svc, schemas.CreateToken, s.createToken)
	rpc.Handle(s.svc, schemas.ListTokens, s.listTokens)
	rpc.Handle(s.svc, schemas.DeleteToken, s.deleteToken)
	rpc.Handle(s.svc, schemas.ListWorkerKeys, s.listWorkerKeys)
	rpc.Handle(s.svc, schemas.ApproveWorker, s.approveWorker)
	rpc.Handle(s.svc, schemas.RevokeWorker, s.revokeWorker)
	rpc.Handle(s.svc, schemas.ListAudit, s.listAudit)
	rpc.Handle(s.svc, schemas.Authenticate, s.authenticate)
	rpc.Handle(s.svc, schemas.CreateSession, s.createSession)
	rpc.Handle(s.svc, schemas.DeleteSession, s.deleteSession)
	rpc.Handle(s.svc, schemas.CreateDevice, s.createDevice)
	rpc.Handle(s.svc, schemas.FindDevice, s.findDevice)
	rpc.Handle(s.svc, schemas.ApproveDevice, s.approveDevice)
	rpc.Handle(s.svc, schemas.RedeemDevice, s.redeemDevice)
	rpc.HandleHealth(s.svc, schemas.AccessHealth, s.Health)
	return s
}

// Ready is closed once the service answers.
func (s *Service) Ready() <-chan struct{} { return s.svc.Ready() }

// Run answers requests until ctx is done and those in flight are answered.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.svc.Run(ctx) })
	if s.callout != nil {
		g.Go(func() error { return s.followCallout(ctx) })
		g.Go(func() error { return s.keepOut(ctx) })
	}
	g.Go(func() error {
		return rpc.Every(ctx, s.log, retainEvery, "deletion of old sessions and audit records", s.retain)
	})
	return g.Wait()
}

const (
	// retainEvery is the interval of deletions.
	retainEvery = time.Hour
	// expiredKept is how long an expired token is listed.
	expiredKept = 30 * 24 * time.Hour
)

// retain deletes what has expired.
func (s *Service) retain(ctx context.Context) error {
	return errors.Join(s.db.ForgetSessions(ctx, expiredKept), s.deleteOldAudit(ctx))
}

// Health is that of this instance.
func (s *Service) Health(ctx context.Context) schemas.Health {
	return rpc.Health(ctx, rpc.Checks{"postgres": s.db.Check}, nil)
}

// changed makes every edge clear its cache of callers. If the message is lost, the entries expire.
func (s *Service) changed(ctx context.Context) {
	if err := s.nc.Publish(schemas.AccessSubject, nil); err != nil {
		s.log.WarnContext(ctx, "revocation not announced: edges notice it within seconds", "err", err)
	}
}

// unknown replaces the reason why a secret is not valid, which the caller must not learn.
func unknown(err error, message string) error {
	if errors.Is(err, hodei.NotFound) {
		return hodei.Errorf(hodei.Unauthenticated, "%s", message)
	}
	return err
}

// callerOf is the caller that a token stands for.
func callerOf(t hodei.Token, kind hodei.CallerKind, from string) hodei.Caller {
	return hodei.Caller{Kind: kind, ID: &t.ID, Name: t.Name, Role: t.Role, Pipelines: t.Pipelines, From: from}
}

// expired is the error for a token that was valid once.
func expired(at time.Time) error {
	return hodei.Errorf(hodei.Unauthenticated, "The token expired at %s: an admin can create another", at.UTC().Format(time.RFC3339))
}
