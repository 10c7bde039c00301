// Package access contains the commands for access control: the servers that a user connects to,
// signing in, tokens, secrets and the audit log.
//
// # Owns
//
// `hodei context`, `login`, `token`, `secret`, `mask` and `audit`.
//
// # When things fail
//
// As in package cli. Commands read secret values from standard input or a terminal. Only the
// command that creates a secret value prints it.
//
// # Not here
//
// The file of the contexts, which is in contexts; the commands about work, which are in cli.
package access
