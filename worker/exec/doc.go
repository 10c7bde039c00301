// Package exec defines the interface between the worker and an executor of commands.
//
// # Owns
//
// Process, which an executor implements: worker/exec/process starts a process of the
// machine. A container executor can implement it too. Command is the input of an
// executor, Exit and StartError are its results.
//
// # When things fail
//
// A command that cannot start is a *StartError with the exit code of a shell. A command
// that was signalled before its start is ErrSignalled.
//
// # Not here
//
// When and why a command is stopped, the grace between SIGTERM and SIGKILL, time limits
// and the outcome of an execution (worker); reading the output (worker/joblog).
package exec
