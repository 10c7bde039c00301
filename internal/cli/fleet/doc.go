// Package fleet contains the commands for workers, the queue and statistics.
//
// # Owns
//
// The commands of `hodei worker` for users, `hodei queue` and `hodei stats`.
//
// # When things fail
//
// As in package cli.
//
// # Not here
//
// The role `hodei worker` is in cmd/hodei. `hodei explain`, which has the flags of an execution,
// is in cli.
package fleet
