// Package next computes when a schedule fires.
//
// # Owns
//
// Parse reads the times of a schedule: five cron fields in a time zone, an interval, or
// one instant. After returns the first planned time after an instant, Delay the jitter
// of a planned time. All of them are functions of their arguments.
//
// # Rules
//
// A cron schedule names times of a local clock. Each of them is due when that clock
// first reads it or a later time. So a local time that a change to summer time skips
// fires at the first instant after the gap, and one that the change back repeats fires
// the first time only. Several skipped times are one fire. An interval counts from the
// anchor of its schedule, in elapsed time, and knows no zone.
//
// # Not here
//
// No clock: the caller passes the time of Postgres. The rows of schedules are in
// postgres, and the orchestrator takes them when they are due. The rules of the zones
// come from the operating system, or else from the copy in the program.
package next
