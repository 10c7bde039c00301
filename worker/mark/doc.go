// Package mark finds the processes of an execution, or of a worker, wherever they went.
//
// # Owns
//
// The two variables that every command of a worker has in its environment,
// HODEI_WORKER_TAG and HODEI_EXECUTION_ID, and the search for processes that have
// them. Children inherit the variables, so the search finds a process that left its
// process group too. The worker, its reaper and the next worker in the same state
// directory search with them.
//
// # When things fail
//
// A process that replaced its whole environment is not found, nor is a process whose
// environment the system does not show: that of another user, or any process on a
// system without /proc. A process may exit, and its number may be used again, during a
// search. Signal therefore opens the process before it compares the variables.
//
// # Does not belong here
//
// When a process is killed (worker, worker/exec/process, worker/reaper); the other
// variables of a command (worker/exec/process).
package mark
