package cli

import (
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei/internal/cli/access"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/define"
	"github.com/hodei-jobs/hodei/internal/cli/doctor"
	"github.com/hodei-jobs/hodei/internal/cli/events"
	"github.com/hodei-jobs/hodei/internal/cli/files"
	"github.com/hodei-jobs/hodei/internal/cli/fleet"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/cli/triggers"
)

// New is the command hodei, with the given roles and every command for users.
func New(roles ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   "hodei",
		Short: "Run commands on a fleet of machines you own, over NATS",
		Long: `Hodei runs commands on a fleet of machines you own, over NATS. A pipeline groups
jobs, a job defines a command, an execution is one run of it on one worker, with
live logs.

Start everything on this machine, then use it from another terminal:
  hodei up

Keep a pipeline beside the code:
  hodei init
  hodei apply

Run something, and watch it:
  hodei exec -- echo hello
  hodei pipeline create demo
  hodei job create --pipeline demo --name build -- make
  hodei run build

Follow what runs already:
  hodei execution ls --status running
  hodei logs -f build

See why something waits:
  hodei queue
  hodei explain build

Every flag of a server component can be given as an environment variable, such as
HODEI_DATABASE_URL; other commands read HODEI_SERVER, HODEI_NATS, HODEI_CONTEXT,
HODEI_OUTPUT, HODEI_TOKEN and HODEI_TOKEN_FILE.
A record is named by its name or its id; the beginning or the end of an id is
enough, as tables show it.
Exit status: that of the command for run and exec, else 0, 1 failed, 2 usage,
3 not found, 4 refused, 5 unavailable.`,
		SilenceUsage: true, SilenceErrors: true, Args: cmdline.KnownVerb,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmdline.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := cmdline.CheckFlags(cmd); err != nil {
				return err
			}
			return cmdline.Protect(cmd)
		},
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version: cmdline.Version(), // adds --version
	}
	root.SetVersionTemplate(cmdline.VersionLine())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cmdline.Usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "people", Title: "Commands:"}, &cobra.Group{ID: "roles", Title: "Server components:"},
		&cobra.Group{ID: "other", Title: "Other:"})
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddCommand(roles...)
	root.AddCommand(cmdline.NewVersion())
	addPeople(root)
	root.InitDefaultCompletionCmd()
	cmdline.Strict(root)
	return root
}

// addPeople adds the commands for users. `worker` is a role as well, so the commands
// about all workers become its sub-commands.
func addPeople(root *cobra.Command) {
	p := &session.Flags{}
	for _, cmd := range []*cobra.Command{
		define.NewInit(), define.NewValidate(), define.NewDiff(p), define.NewApply(p),
		newRun(p), newExec(p), newAttach(p), newWait(p), newLogs(p), newRuns(p), newCancel(p), newRerun(p), newApprove(p), newReject(p),
		define.NewPipeline(p, newPipelineExecute(p), files.NewReports(p)), define.NewJob(p), newExecution(p), files.NewArtifact(p), files.NewCache(p), triggers.NewSchedule(p), triggers.NewHook(p), fleet.NewQueue(p), access.NewSecret(p), triggers.NewNotify(p), access.NewMask(),
		newExplain(p), events.NewEvents(p), fleet.NewStats(p), doctor.NewStatus(p), doctor.NewDoctor(p), access.NewLogin(), access.NewToken(p), access.NewAudit(p), access.NewContext(),
	} {
		cmd.GroupID = "people"
		root.AddCommand(cmd)
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() == "worker" {
			cmd.AddCommand(fleet.NewWorkerCommands(p)...)
		}
	}
}
