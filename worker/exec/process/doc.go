// Package process runs commands as processes of the machine.
//
// # Owns
//
// The process group of each command, from its start until its number is released
// (process.go); the environment of a command and the look-up of its program
// (environment.go); the working, home and temporary directories of each execution,
// which are used again while they stay empty (directory.go, spare.go); why a process
// exited and what it used, and the attribution of OOM kills (exit.go, oom.go).
//
// # How processes are found
//
// The main process leads a process group, which stays in the reaper's list
// (worker/reaper) from the start until Sweep. Processes that left the group are found
// by the variables in their environment (worker/mark). The main process is not reaped
// before Sweep, so that the number of its group cannot be used again.
//
// # When things fail
//
// A process that left the group and replaced its environment is not found. Directories
// that are not empty, or that a process may still use, are removed. If the worker is killed,
// the reaper kills the groups.
//
// # Not here
//
// When and why a command is stopped, and the outcome of an execution (worker); reading
// the output (worker/joblog).
package process
