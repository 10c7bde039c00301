package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Remove is the command that deletes records of a kind. It looks up all records
// before it deletes the first, so a typo deletes nothing.
func Remove[Req any, K hodei.Kind](p *Flags, op schemas.Operation[Req, schemas.Empty], short, refused, name string,
	find func(*Session, context.Context, string) (hodei.ID[K], error), request func(hodei.ID[K]) Req) *cobra.Command {
	noun := hodei.ID[K]{}.Noun()
	return p.Command(&cobra.Command{
		Use: "rm ID|NAME...", Aliases: []string{"delete"}, Short: short, Args: cobra.MinimumNArgs(1),
		Long:    short + ". " + refused,
		Example: "  hodei " + noun + " rm " + name,
	}, func(ctx context.Context, s *Session, args []string) error {
		var ids []hodei.ID[K]
		for _, text := range args {
			id, err := find(s, ctx, text)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		for _, id := range ids {
			if err := Ask(ctx, s, op, request(id), func(schemas.Empty) error { return nil }); err != nil {
				return err
			}
			s.Note("%s deleted", id)
		}
		return nil
	})
}
