// Package access contains the commands about who may do what and with which secrets: the
// servers that a person uses, signing in, tokens, secrets and the audit log.
//
// # Owns
//
// `hodei context`, `login`, `token`, `secret`, `mask` and `audit`.
//
// # When things fail
//
// As in package cli. A value that is secret is read from standard input or a terminal, and
// printed only where a command creates it.
//
// # Not here
//
// The file of the contexts, which is in contexts; the commands about work, which are in cli.
package access
