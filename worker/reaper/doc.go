// Package reaper is the supervisor process that kills what a dead worker leaves behind.
//
// # Owns
//
// Both ends of a pipe. At the worker's end a Keeper starts the reaper process, starts
// another one when it ends, and writes to the pipe which process groups run (keeper.go).
// At the other end Run reads the pipe in a process in a session of its own (reaper.go,
// charges.go). Uptime is the clock that both use.
//
// # The protocol
//
// Lines of text, from the worker to the reaper only. Moments and durations are
// nanoseconds of Uptime.
//
//	{"nats":…,"worker_id":…}           the orders, always the first line
//	+ <group> <execution_id> [<fence>] a process group runs; if the worker has no contact for
//	                                   the time of the fence, the reaper kills the group
//	- <group>                          the group is gone
//	@ <moment>                         the last contact of the worker with its manager
//	bye                                the worker ends by itself
//
// # When things fail
//
// If the worker is killed, the pipe closes without "bye". The reaper kills all groups, then
// every other process with the worker's tag in its environment (worker/mark), and
// reports to the worker manager that the worker was killed. It tries that for 30 s;
// after that the worker's lease expires. If the worker is suspended, the reaper kills the
// groups whose fence has passed and reports nothing. If the reaper itself was suspended, it
// reads all waiting lines before it checks a fence. If the reaper is killed, the Keeper
// starts another one and sends it the whole list. A reaper that does not read a line within
// 2 s is killed. If worker and reaper are killed together, the next worker in the same state
// directory kills the processes (worker).
//
// # Subjects
//
// Sends a request to hodei.v1.workers.leave.<worker_id>.
//
// # Not here
//
// When a fence passes, and ending a run while the worker lives (worker); how a command
// is started (worker/exec/process); how processes are found (worker/mark).
package reaper
