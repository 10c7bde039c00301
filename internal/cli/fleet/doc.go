// Package fleet contains the commands about the workers and what waits for them.
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
// `hodei worker` itself, which is a role, in cmd/hodei. `hodei explain`, which has the flags of
// an execution, in cli.
package fleet
