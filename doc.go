// Package hodei holds the words every part of Hodei speaks: Pipeline, Job,
// Execution, Worker, LogLine, their identifiers, their states with the table
// of allowed transitions, and Error.
//
// # Owns
//
// The shape of each record. One struct is the JSON reply, the body of the
// event and the row scanned from Postgres; there is no second shape to map to.
//
// # When things fail
//
// Every failure that a user can meet is an *Error with a Code. Code is the
// only thing programs should branch on; it maps to one HTTP status and one
// exit status.
//
// # Not here
//
// No clock, no randomness, no I/O: the package imports the standard library
// only, and a test keeps it so. Identifiers are made in postgres, time is
// handed in.
package hodei
