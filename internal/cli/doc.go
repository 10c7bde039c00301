// Package cli holds the commands for people: everything that asks a system or changes
// a record, from `hodei run` to `hodei doctor`.
//
// # Owns
//
// One file for each noun or verb of the command line, with what its table or its record
// shows. New builds the whole command line; the roles are given to it.
//
// The rest is beside it, by story:
//
//   - session: where the system is, one operation from flags to output, resolving names,
//     completion, --watch
//   - doctor: `hodei status` and `hodei doctor`
//   - contexts: systems by name, kept in ~/.config/hodei
//   - render: text, tables, YAML and terminals
//   - cmdline: flags from the environment and from files, usage errors, exit status, secrets
//
// # When things fail
//
// A command returns its error. The main function prints it on one line, on standard error,
// and exits with cmdline.ExitCode.
//
// # Not here
//
// No rule of Hodei: a command validates only what the service would refuse anyway, and
// calls the client. The roles and `hodei up` are in cmd/hodei.
package cli
