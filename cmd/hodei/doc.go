// Command hodei is Hodei: every role, and the commands for people.
//
// # Owns
//
// The flags of the roles and of `hodei up`, the memory limit of a role, and its profiles.
//
// # When things fail
//
// One line on standard error names the failure and the remedy; the exit status is that of
// cmdline.ExitCode.
//
// # Not here
//
// No rule of Hodei: internal/system builds the roles, internal/cli holds the commands for
// people.
package main
