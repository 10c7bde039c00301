package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/postgres"
)

func newMigrate() *cobra.Command {
	f := &roleFlags{}
	cmd := &cobra.Command{
		Use: "migrate", GroupID: "roles", Args: cobra.NoArgs, Short: "Migrate the schema of Postgres",
		Long:    "Migrate the schema of Postgres. Services also do it when they start.",
		Example: "  hodei migrate --database-url postgres://hodei@db/hodei",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.database == "" {
				return cmdline.Usagef("%w", errNoDatabase)
			}
			applied, err := postgres.Migrate(cmd.Context(), f.database)
			if err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d migrations applied\n", len(applied))
			}
			return err
		},
	}
	f.addDatabase(cmd.Flags())
	return cmd
}
