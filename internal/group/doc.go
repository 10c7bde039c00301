// Package group has many callers share what is dear: a commit, or a request.
//
// # Owns
//
// The forming of batches: what is asked for while one is under way is done by the
// next one. One caller alone waits for nothing, and nothing waits
// for a batch to fill.
//
// # When things fail
//
// A batch that fails as a whole has done nothing. Unless it is because what it
// needs is away, each of its callers is then served alone, so one bad request
// spoils no other.
//
// # Not here
//
// What a batch does: that is its owner's.
package group
