// Package cli contains the commands for users: everything that queries a system
// or changes a record, from `hodei run` to `hodei doctor`.
//
// # Owns
//
// The commands that run something or follow it: `run`, `exec`, `attach`, `wait`, `logs`,
// `runs`, `execution`, `explain` and the answers to a run. New builds the whole command line;
// the caller passes the roles.
//
// Beside it:
//
//   - define: pipelines, jobs and the file hodei.yaml
//   - session: the server's address, one operation from flags to output,
//     resolving names, completion, --watch
//   - access: contexts, signing in, tokens, secrets and the audit log
//   - triggers: schedules, hooks and notifications
//   - files: artifacts, test reports and caches
//   - fleet: workers, the queue and statistics
//   - events: `hodei events`
//   - doctor: `hodei status` and `hodei doctor`
//   - contexts: named server profiles in ~/.config/hodei
//   - progress: the live tree of a run
//   - render: text, tables, YAML and terminals
//   - cmdline: flags from the environment and from files, usage errors, exit
//     status, secrets
//
// # When things fail
//
// A command returns its error. The main function prints it on one line on
// standard error and exits with cmdline.ExitCode.
//
// # Not here
//
// No rules of Hodei: a command validates only what the service would refuse
// anyway, and calls the client. The roles and `hodei up` are in cmd/hodei.
package cli
