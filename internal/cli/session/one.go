package session

import (
	"context"

	"github.com/spf13/cobra"
)

// One is a command for one record. Its only argument, shown as name, identifies the record; find
// returns the id that ask receives.
func One[ID any](p *Flags, cmd *cobra.Command, name string, find func(*Session, context.Context, string) (ID, error),
	ask func(ctx context.Context, s *Session, id ID) error) *cobra.Command {
	cmd.Use, cmd.Args = cmd.Use+" "+name, cobra.ExactArgs(1)
	return p.Command(cmd, func(ctx context.Context, s *Session, args []string) error {
		id, err := find(s, ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, id)
	})
}
