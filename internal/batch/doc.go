// Package batch lets many callers share one costly step: a commit, a request, or a look at all
// processes.
//
// # Owns
//
// The forming of batches: requests that arrive while a batch runs form the next one. A single
// caller does not wait, and no batch waits to fill up. A batch is bounded in number, and in
// size where its owner gives one. Groups forms batches for each of many keys.
//
// # When things fail
//
// A batch that fails as a whole has changed nothing. Each of its requests then runs alone, so
// that one bad request does not fail the others; only if the resource is unavailable do all of
// them fail at once.
//
// # Not here
//
// The step itself: its owner passes it in.
package batch
