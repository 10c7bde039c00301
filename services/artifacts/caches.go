package artifacts

import (
	"context"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) listCaches(ctx context.Context, req schemas.ListCachesRequest) (schemas.List[hodei.Cache], error) {
	pipeline, err := s.pipeline(ctx, req.ID)
	if err != nil {
		return schemas.List[hodei.Cache]{}, err
	}
	items, next, err := s.db.ListCaches(ctx, pipeline, req.Key, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Cache]{Items: items, NextCursor: next}, err
}

func (s *Service) deleteCache(ctx context.Context, req schemas.DeleteCacheRequest) (schemas.Empty, error) {
	return schemas.Empty{}, s.db.DeleteCache(ctx, req.ID)
}

func (s *Service) findCache(ctx context.Context, req schemas.FindCacheRequest) (schemas.FoundCache, error) {
	found, err := s.db.FindCache(ctx, req.WorkerID, req.ExecutionID, req.Key, req.Restore, req.Paths)
	return schemas.FoundCache{Cache: found}, err
}

// saveCache records a cache, and evicts what is beyond the limit then.
func (s *Service) saveCache(ctx context.Context, req schemas.SaveCacheRequest) (schemas.SavedCache, error) {
	if limit := s.cfg.CacheLimit; limit > 0 && req.Size > limit {
		return schemas.SavedCache{}, hodei.Errorf(hodei.Rejected, "it has %s, and all caches together may have %s: see --cache-limit",
			humanize.IBytes(uint64(req.Size)), humanize.IBytes(uint64(limit)))
	}
	saved, err := s.db.SaveCache(ctx, req.WorkerID, req.ExecutionID, postgres.NewCache{Key: req.Key, Paths: req.Paths, Blob: req.Blob, Files: req.Files})
	if err == nil && saved {
		if err := s.evict(ctx); err != nil { // the next collection repeats it
			s.log.WarnContext(ctx, "caches not evicted", "err", err)
		}
	}
	return schemas.SavedCache{Saved: saved}, err
}

// evict deletes caches beyond the limit, and those that no job uses.
func (s *Service) evict(ctx context.Context) error {
	evicted, err := s.db.EvictCaches(ctx, s.cfg.CacheLimit, s.cfg.CacheUnused)
	if evicted > 0 {
		s.log.InfoContext(ctx, "caches evicted", "caches", evicted)
	}
	return err
}

// receives returns an error unless the execution receives the content, as an artifact or as
// a cache.
func (s *Service) receives(ctx context.Context, req schemas.ReadBlobRequest) error {
	inputs, err := s.db.InputsOf(ctx, req.WorkerID, req.ExecutionID)
	if err != nil {
		return err
	}
	for _, a := range inputs {
		if a.SHA256 == req.SHA256 {
			return nil
		}
	}
	return s.db.CheckCached(ctx, req.WorkerID, req.ExecutionID, req.SHA256)
}
