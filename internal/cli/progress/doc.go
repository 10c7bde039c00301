// Package progress shows a run of a pipeline to a person until it ends.
//
// # Owns
//
// The board, a tree of the jobs of a run with their states, which stays at the foot of a
// terminal; the output of all jobs, each line behind the key of its job; and the summary
// of a run that failed: the last lines of what failed, and the command that shows more.
//
// # Subjects
//
// None of its own. It reads the run, the events about it and the logs of its executions
// through package client, over HTTP or NATS.
//
// # State
//
// What it has shown. A run that is followed again is shown from its beginning.
//
// # When things fail
//
// The client reconnects and resumes logs. An event that is lost delays the board by
// at most two seconds: the run is read that often. When the system is away the run goes on,
// and the error names the command that follows it again.
//
// # Not here
//
// The commands and their flags: internal/cli.
package progress
