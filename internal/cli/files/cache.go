package files

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewCache returns `hodei cache`.
func NewCache(p *session.Flags) *cobra.Command {
	return cmdline.Noun("cache", "Caches: files that jobs have left for later runs of their pipeline",
		"  hodei cache ls release\n  hodei cache rm cache_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb4", newCacheList(p), newCacheRemove(p))
}

func newCacheList(p *session.Flags) *cobra.Command {
	var req schemas.ListCachesRequest
	cmd := session.CompleteFirst(p.Listing(&cobra.Command{
		Use: "ls PIPELINE", Short: "List the caches of a pipeline, newest first", Args: cobra.ExactArgs(1),
		Long: `List the caches of a pipeline, newest first. One with a scope was saved by the
pull request of a fork, whose runs alone use it.`,
		Example: "  hodei cache ls release\n  hodei cache ls release --key go-",
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if req.ID, err = s.PipelineRef(ctx, args[0]); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListCaches, req, []string{"key", "scope", "files", "size", "age", "used", "id"},
			func(c hodei.Cache) []string {
				return []string{render.Plain(c.Key), render.Plain(render.OrNone(c.Scope)), fmt.Sprint(c.Files), humanize.IBytes(uint64(c.Size)),
					s.Age(c.CreatedAt), s.Age(c.UsedAt), c.ID.String()}
			})
	}), p.Pipelines())
	cmd.Flags().StringVar(&req.Key, "key", "", "beginning of the keys")
	session.AddPage(cmd.Flags(), &req.Page)
	return cmd
}

func newCacheRemove(p *session.Flags) *cobra.Command {
	var pipeline string
	cmd := session.Remove(p, schemas.DeleteCache, "Delete caches", "The next job that completes without the cache saves it again.\nWith --pipeline, the key of a cache or a part of its id is enough.",
		"cache_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb4",
		func(s *session.Session, ctx context.Context, text string) (hodei.CacheID, error) {
			return cacheID(ctx, s, pipeline, text)
		}, func(id hodei.CacheID) schemas.DeleteCacheRequest { return schemas.DeleteCacheRequest{ID: id} })
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "pipeline that has the caches")
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

// cacheID returns the cache with the id, or the one of the pipeline that the text names. No operation lists the caches
// of all pipelines.
func cacheID(ctx context.Context, s *session.Session, pipeline, text string) (id hodei.CacheID, err error) {
	if pipeline == "" {
		if err = id.UnmarshalText([]byte(text)); err != nil {
			err = cmdline.Usagef("%q is not a whole id; name its pipeline with --pipeline", text)
		}
		return id, err
	}
	ref, err := s.PipelineRef(ctx, pipeline)
	if err != nil {
		return id, err
	}
	return s.Cache(ctx, ref, text)
}
