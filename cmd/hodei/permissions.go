package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/permit"
)

// newNATS returns `hodei nats`, what a NATS of one's own needs to know about Hodei.
func newNATS() *cobra.Command {
	cmd := &cobra.Command{
		Use: "nats", GroupID: "roles", Args: cmdline.KnownVerb, Short: "Print what a NATS of your own needs",
		Long: "Print what a NATS of your own needs.", Example: "  hodei nats permissions",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPermissions())
	return cmd
}

func newPermissions() *cobra.Command {
	var workers []string
	var keys map[string]string
	cmd := &cobra.Command{
		Use: "permissions", Args: cobra.NoArgs, Short: "Print the users of NATS and what each may publish and subscribe",
		Long: `Print the users of NATS, as a block of nats.conf: one for each service, one for the
edge, and one for each worker of --worker. Each may publish and subscribe what its
operations need, and a worker only for itself.

A user has a password, which nats-server reads from the variable NATS_ORCHESTRATOR and
the like, or the public key of --nkey. Start each role with its own: --nats-nkey, or the
password in the URL of --nats-file; a worker also with --id.`,
		Example: `  hodei nats permissions > users.conf
  hodei nats permissions --worker worker_01a2b3c4-d5e6-7f80-9182-a3b4c5d6e7f8 --nkey edge=UAB…`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := usersOf(workers, keys)
			if err == nil {
				fmt.Fprint(cmd.OutOrStdout(), permit.Conf(users))
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&workers, "worker", nil, "id of a worker; repeatable")
	cmd.Flags().StringToStringVar(&keys, "nkey", nil, "public key of a user instead of a password, such as edge=U…; the id for a worker; repeatable")
	return cmd
}

// usersOf are those of the programs and of the workers with these ids, with their keys.
func usersOf(workers []string, keys map[string]string) ([]permit.User, error) {
	var users []permit.User
	for _, name := range permit.Programs {
		users = append(users, permit.ProgramUser(name))
	}
	for _, text := range workers {
		id, err := workerID(text)
		if err != nil {
			return nil, err
		}
		users = append(users, permit.WorkerUser(id))
	}
	for name, key := range keys {
		at := slices.IndexFunc(users, func(u permit.User) bool { return u.Name == name })
		switch {
		case at < 0:
			return nil, cmdline.Usagef("--nkey %s: %s or the id of a --worker required", name, strings.Join(permit.Programs, ", "))
		case !nkeys.IsValidPublicUserKey(key):
			return nil, cmdline.Usagef("--nkey %s: not the public key of a user, which begins with U", name)
		}
		users[at].NKey = key
	}
	return users, nil
}

// workerID reads the id of a worker from a flag.
func workerID(text string) (id hodei.WorkerID, err error) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return id, cmdline.Usagef("worker %q: %w", text, err)
	}
	return id, nil
}
