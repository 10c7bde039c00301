// Package contexts stores server profiles by name, so that users need not type --server.
//
// # Owns
//
// ~/.config/hodei: one file for each context, readable by its owner only, and the name of
// the context that commands use when none is given. It also reads the contexts of the nats
// command, which hold addresses and credentials.
//
// # When things fail
//
// A context that does not exist is hodei.NotFound; a file that cannot be read is named.
//
// # Not here
//
// It connects to nothing.
package contexts
