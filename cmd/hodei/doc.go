// Command hodei contains every role of Hodei and the commands for users.
//
// # Owns
//
// The flags of the roles and of `hodei up`, the memory limit of a role, and its
// profiles.
//
// # When things fail
//
// One line on standard error names the failure and the remedy. The exit status
// is that of cmdline.ExitCode.
//
// # Not here
//
// No rules of Hodei: internal/system builds the roles, internal/cli contains
// the commands for users.
package main
