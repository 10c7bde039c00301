// Package render formats values for users: text, tables, records, YAML, colours,
// and a line at the foot of the terminal that is updated in place.
//
// # Owns
//
// What is safe to print: output of commands and untrusted names pass through
// Plain or Filter, so that they cannot steer the terminal.
//
// # When things fail
//
// An error of the writer is returned. A live line that cannot be painted is left out.
//
// # Not here
//
// It knows no operation and no connection.
package render
