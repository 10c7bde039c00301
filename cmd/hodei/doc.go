// Command hodei is Hodei: every role, and the commands that people use.
//
// # Owns
//
// Flags and their HODEI_ variables, contexts (~/.config/hodei), what is printed for people, and the exit
// status: the command's own for run and exec, else 0, 1 failed, 2 usage, 3 not
// found, 4 refused, 5 unavailable.
//
// # When things fail
//
// One line on standard error says what and what to do about it.
//
// # Not here
//
// No rule of Hodei: the roles are built by internal/system, the commands for
// people stand on client.
package main
