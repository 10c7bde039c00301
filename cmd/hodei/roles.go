package main

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/system"
)

// roleFlags are the flags of every role.
type roleFlags struct {
	nats                       natsFlags
	database, logLevel, health string
}

func (f *roleFlags) add(flags *pflag.FlagSet) {
	f.nats.add(flags, nats.DefaultURL, "URL of NATS")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	addHealth(flags, &f.health)
}

// addHealth adds the flag of every process that runs roles.
func addHealth(flags *pflag.FlagSet, addr *string) {
	flags.StringVar(addr, "health-addr", "", "address that serves /healthz, /readyz and /metrics of this process, as 127.0.0.1:9090 (default none)")
}

func addSecretsKey(flags *pflag.FlagSet, path *string, standard string) {
	flags.StringVar(path, "secrets-key", "", "file with the keys that encrypt secrets, one a line in base64; the first encrypts, all decrypt "+standard)
}

func (f *roleFlags) addDatabase(flags *pflag.FlagSet) {
	flags.StringVar(&f.database, "database-url", "", "URL of Postgres, such as postgres://user@host/database (required)")
	cmdline.Secret(flags, "database-url")
}

// errNoDatabase is the error of a service that is started without a database.
var errNoDatabase = errors.New("--database-url or --database-url-file (HODEI_DATABASE_URL, HODEI_DATABASE_URL_FILE) is required")

// config returns the configuration of a system with connections but no roles.
func (f *roleFlags) config() (system.Config, error) {
	log, err := newLog(f.logLevel)
	return system.Config{
		Connect:     func(name string) (*nats.Conn, error) { return f.nats.connect(name, log) },
		DatabaseURL: f.database, Version: cmdline.Version(), Log: log, HealthAddr: f.health,
	}, err
}

// newRoles returns the commands of the components.
func newRoles() (list []*cobra.Command) {
	for _, c := range components {
		list = append(list, newRole(c.name, c.about, c.flags()))
	}
	return list
}

func newRole(name, about string, own component) *cobra.Command {
	f := &roleFlags{}
	_, isEdge := own.(*edgeFlags)
	cmd := &cobra.Command{
		Use: name, GroupID: "roles", Args: cobra.NoArgs, Short: "Server component: " + about,
		Long:    about + ".\n\nStart any number of instances; they share the work.",
		Example: fmt.Sprintf("  hodei %s --nats nats://nats.internal:4222", name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isEdge && f.database == "" {
				return cmdline.Usagef("%w", errNoDatabase)
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if err := own.set(cmd.Context(), &cfg); err != nil {
				return err
			}
			return system.Run(cmd.Context(), cfg, func(s *system.System) { printReady(cmd, name, s, isEdge) })
		},
	}
	f.add(cmd.Flags())
	own.add(cmd.Flags())
	if !isEdge {
		f.addDatabase(cmd.Flags())
	}
	return cmd
}

func printReady(cmd *cobra.Command, name string, s *system.System, http bool) {
	fmt.Fprintf(cmd.ErrOrStderr(), "ready %s", name)
	if http {
		for _, addr := range s.HTTPAddrs() {
			fmt.Fprintf(cmd.ErrOrStderr(), " %s://%s", s.HTTPScheme(), addr)
		}
	}
	for _, id := range s.WorkerIDs() {
		fmt.Fprintf(cmd.ErrOrStderr(), " %s", id)
	}
	fmt.Fprintln(cmd.ErrOrStderr())
}
