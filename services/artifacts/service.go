package artifacts

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// Config configures a Service. NATS, DB and Store are required.
type Config struct {
	NATS    *nats.Conn
	DB      *postgres.DB
	Version string
	Log     *slog.Logger
	Store   blob.Store
	// Quota bounds the content, in bytes; 0 is no bound.
	Quota int64
	// CacheLimit bounds the content of all caches together, in bytes: beyond it the least
	// recently used are evicted. It is at most half of the Quota; 0 is no other bound.
	CacheLimit int64
	// CacheUnused is how long a cache is kept that no job uses; 0 is for ever.
	CacheUnused time.Duration
	// Grace is how long content is kept to which nothing refers. Default: an hour.
	Grace time.Duration
}

// Service is one instance of the service.
type Service struct {
	cfg     Config
	nc      *nats.Conn
	db      *postgres.DB
	log     *slog.Logger
	svc     *rpc.Service
	allowed allowed
	failing rate.Sometimes // when the log shows that the store fails
}

// New returns an instance that is idle until Run.
func New(cfg Config) *Service {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Grace = cmp.Or(cfg.Grace, time.Hour)
	if half := cfg.Quota / 2; half > 0 && (cfg.CacheLimit == 0 || cfg.CacheLimit > half) {
		cfg.CacheLimit = half
	}
	s := &Service{cfg: cfg, nc: cfg.NATS, db: cfg.DB, log: cfg.Log, failing: rate.Sometimes{Interval: time.Minute}}
	s.svc = rpc.New(rpc.Config{
		NATS: cfg.NATS, Name: schemas.Artifacts, Version: cfg.Version, Log: cfg.Log, InFlight: inFlight,
		Description: "The files that jobs leave", Once: cfg.DB.Once, Audit: cfg.DB.Audit, PipelineOf: cfg.DB.PipelineOf, CallerKey: cfg.DB.CallerKey,
	})
	rpc.Handle(s.svc, schemas.ListArtifacts, s.listArtifacts)
	rpc.Handle(s.svc, schemas.ListReports, s.listReports)
	rpc.Handle(s.svc, schemas.GetArtifact, s.getArtifact)
	rpc.Handle(s.svc, schemas.DeleteArtifact, s.deleteArtifact)
	rpc.Handle(s.svc, schemas.ReadArtifact, s.readArtifact)
	rpc.Handle(s.svc, schemas.ListCaches, s.listCaches)
	rpc.Handle(s.svc, schemas.DeleteCache, s.deleteCache)
	rpc.Handle(s.svc, schemas.FindCache, s.findCache)
	rpc.Handle(s.svc, schemas.SaveCache, s.saveCache)
	rpc.Handle(s.svc, schemas.BeginSource, s.beginSource)
	rpc.Handle(s.svc, schemas.WriteSource, s.writeSource)
	rpc.Handle(s.svc, schemas.CommitSource, s.commitSource)
	rpc.Handle(s.svc, schemas.KeepArtifacts, s.keepArtifacts)
	rpc.Handle(s.svc, schemas.FindInputs, s.findInputs)
	rpc.Handle(s.svc, schemas.BeginBlob, s.beginBlob)
	rpc.Handle(s.svc, schemas.WriteBlob, s.writeBlob)
	rpc.Handle(s.svc, schemas.CommitBlob, s.commitBlob)
	rpc.Handle(s.svc, schemas.ReadBlob, s.readBlob)
	rpc.HandleHealth(s.svc, schemas.ArtifactsHealth, s.Health)
	return s
}

// inFlight is the limit of requests in flight of each operation. Those that carry a chunk
// take twice its size of memory.
const inFlight = 64

// Ready is closed once the service answers.
func (s *Service) Ready() <-chan struct{} { return s.svc.Ready() }

// Run answers requests and deletes what has expired, until ctx is done and the requests in
// flight are answered.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.svc.Run(ctx) })
	g.Go(func() error { return rpc.Every(ctx, s.log, collectEvery, "collection of content", s.Collect) })
	g.Go(func() error {
		return rpc.Supervise(ctx, s.log, "expiry of artifacts", func(ctx context.Context) error { return s.due().Run(ctx, s.nc, s.log) })
	})
	return g.Wait()
}

const (
	// collectEvery is the interval of collections of content without references.
	collectEvery = 10 * time.Minute
	// abandoned is the age after which an unfinished upload is deleted.
	abandoned = 24 * time.Hour
	// atOnce is how many rows one statement changes.
	atOnce = 100
)

// due are the artifacts that expire, and condemned content.
func (s *Service) due() due.Rows {
	return due.Rows{Name: "artifacts", Subject: schemas.ArtifactSubject, Next: s.db.NextArtifact, Take: s.take}
}

// take deletes artifacts that have expired, or one condemned blob. More may be due.
func (s *Service) take(ctx context.Context) (more bool, err error) {
	expired, err := s.db.ExpireArtifacts(ctx, atOnce)
	if err != nil {
		return false, err
	}
	if expired > 0 {
		s.log.InfoContext(ctx, "artifacts expired", "artifacts", expired)
		return true, nil
	}
	return true, s.db.TakeCondemned(ctx, func(id hodei.BlobID) error { return s.cfg.Store.Delete(ctx, id) })
}

// Collect evicts caches, and condemns content to which nothing refers and uploads that were
// abandoned.
func (s *Service) Collect(ctx context.Context) error {
	if err := s.evict(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		condemned, err := s.db.CondemnBlobs(ctx, s.cfg.Grace, max(abandoned, s.cfg.Grace), atOnce)
		if err != nil {
			return err
		}
		if condemned == 0 {
			break
		}
		s.log.InfoContext(ctx, "content without references condemned", "blobs", condemned)
		s.wake()
	}
	return nil
}

// pipeline returns the id of a pipeline that exists, or NOT_FOUND.
func (s *Service) pipeline(ctx context.Context, ref hodei.PipelineRef) (hodei.PipelineID, error) {
	id, err := s.db.PipelineID(ctx, ref)
	if err == nil {
		_, err = s.db.GetPipeline(ctx, id)
	}
	return id, err
}

// store returns the error of the store, and logs at most once a minute that it is unavailable.
func (s *Service) store(ctx context.Context, err error) error {
	if errors.Is(err, hodei.Unavailable) {
		s.failing.Do(func() { s.log.WarnContext(ctx, "store unavailable", "err", err) })
	}
	return err
}

// wake makes every instance look for what is due. Publishing fails on a closed connection;
// the instances also poll.
func (s *Service) wake() { _ = s.nc.Publish(schemas.ArtifactSubject, nil) }

// Health is that of this instance.
func (s *Service) Health(ctx context.Context) schemas.Health {
	return rpc.Health(ctx, rpc.Checks{"postgres": s.db.Check}, nil)
}
