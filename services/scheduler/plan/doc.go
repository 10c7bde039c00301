// Package plan chooses a worker: a pure function of the fleet, a request and a
// clock value. The scheduler acts on what it returns; a dry run, the queue's
// reasons and `explain` show the same decision. Index sorts the fleet, so that Choose
// examines few workers; explanations examine all.
//
// # Owns
//
// Which workers can take an execution, how those are scored, and the words for
// why the others cannot.
//
// # When things fail
//
// It cannot fail: "no worker" is a decision with a reason.
//
// # Not here
//
// No clock, no randomness, no I/O, no memory of earlier decisions.
package plan
