// Package transfer moves content between a program and the artifacts service, in requests
// that may be repeated: 512 KiB each, at most Window of them at a time.
//
// # Owns
//
// The order of the requests, their repetition, and the check of what was received. Wire has
// the requests: those of a worker, of the edge or of a client.
//
// # State
//
// None but the chunks in flight: at most Window of them.
//
// # When things fail
//
// A request without an answer is repeated for up to Patience, so a transfer survives a lost
// connection and a restart of the service. An upload that begins again goes on after what has
// arrived. Content that does not match its digest is an error.
//
// # Not here
//
// What the content is (internal/archive), and where it is stored (services/artifacts/blob).
package transfer
