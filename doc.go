// Package hodei contains the domain types of Hodei: Pipeline, Job, Run,
// Execution, Worker, LogLine, their identifiers, their states with the tables
// of allowed transitions, and Error.
//
// # Owns
//
// The shape of each record. One struct is the JSON reply, the body of the event
// and the row scanned from Postgres; there is no second shape to map to.
//
// # When things fail
//
// Every failure that a user can see is an *Error with a Code. Programs should
// branch on the Code only. It maps to one HTTP status and one exit status.
//
// # Not here
//
// No clock, no randomness, no I/O: the package imports only the standard
// library, and a test verifies it. Package postgres creates identifiers;
// callers pass the time.
package hodei
