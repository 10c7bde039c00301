// Package triggers contains the commands about what starts runs by itself, and about the
// messages on their outcome.
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
// The commands that start something now, which are in cli.
package triggers
