// Package events contains `hodei events`, which follows what happens: to executions, runs and
// workers, and to the streams of NATS.
//
// # Owns
//
// The command and the text of each kind of event.
//
// # When things fail
//
// As in package cli. A connection that is lost is opened again, and goes on after the last event.
//
// # Not here
//
// The feed itself, which is in client.
package events
