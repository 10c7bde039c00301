// Package transfer moves content between a program and the artifacts service, in idempotent
// requests of 512 KiB, at most Window of them in flight.
//
// # Owns
//
// The order of the requests, their repetition, and the check of received content. Wire has the
// functions that send the requests of a worker, of the edge or of a client.
//
// # State
//
// In memory: the chunks in flight, at most Window.
//
// # When things fail
//
// A request without an answer is repeated for up to Patience, so a transfer survives a lost
// connection and a restart of the service. A resumed upload continues after the bytes that have
// arrived. Content with a wrong digest is an error.
//
// # Not here
//
// The format of the content (internal/archive) and its storage (services/artifacts/blob).
package transfer
