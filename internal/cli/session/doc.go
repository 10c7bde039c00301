// Package session runs one command: it connects to the system, performs an operation and
// prints the reply in the format of --output.
//
// # Owns
//
// The flags --server, --nats, --context and --output of every command (Flags), and the
// connection, the output and the clock of one run (Session). Ask and List perform an
// operation and print its reply. Names, ids and parts of ids are resolved here, and
// the same records complete the word before the cursor.
//
// # When things fail
//
// An error that a person can repair is turned into one that names the address and the
// remedy. Ctrl-C ends a command with status 130.
//
// # Not here
//
// What a table or a record shows is beside its command, in package cli.
package session
