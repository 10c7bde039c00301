// Package cmdline contains what roles and commands for users share of the command line.
//
// # Owns
//
// Flags from HODEI_ variables and from files, kinds of flag values, the version, usage
// errors and the exit status: the command's own for run and exec, else 0, 1 failed,
// 2 usage, 3 not found, 4 refused, 5 unavailable. Protect hides the secrets of a role
// from other processes.
//
// # When things fail
//
// Every mistake on the command line is a UsageError, found before anything is connected.
//
// # Not here
//
// No flag of a particular command.
package cmdline
