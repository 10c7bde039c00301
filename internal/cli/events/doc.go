// Package events contains `hodei events`, which follows the events of executions, runs and
// workers, and those of the NATS streams.
//
// # Owns
//
// The command and the text of each kind of event.
//
// # When things fail
//
// As in package cli. A lost connection is opened again and continues after the last event.
//
// # Not here
//
// The feed itself, which is in client.
package events
