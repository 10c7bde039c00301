// Package triggers contains the commands for schedules and hooks, which start runs, and for
// notifications about runs.
//
// # Owns
//
// `hodei schedule`, `hook` and `notify`.
//
// # When things fail
//
// As in package cli.
//
// # Not here
//
// The commands with which a user starts something are in cli.
package triggers
