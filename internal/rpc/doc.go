// Package rpc is typed request and reply over the NATS micro framework, driven
// by the operation table in schemas.
//
// # Owns
//
// Everything between a subject and a Go function: validation, the deadline, the request id, bounded concurrency,
// errors as micro headers and as the JSON body, statistics, and a drain that
// waits. No other package touches micro.
//
// # Subjects
//
// Those of the operations handed to Handle.
//
// # Validation
//
// Every request is checked before its handler runs, whoever sends it: no header
// and no field of a request changes how it is checked.
//
//   - An operation with a route is checked against its published JSON Schema.
//     A field that the schema does not name is refused, as a typo.
//   - An operation without a route is a message between programs of Hodei, which
//     may be of different versions: fields that the receiver does not know are
//     ignored. The request's Validate method checks the values where it has one,
//     which costs a fifth of a schema; else the schema does.
//   - An operation that declares Open, as workers.register does, is checked
//     against its schema but ignores unknown fields.
//
// # Waiting
//
// A request in flight holds one of InFlight places of its endpoint. One that waits
// for other requests, as jobs.execute does for a worker, gives its place back with
// Wait, since those others may need it; a separate bound, Waiting, holds for the
// whole service, and what exceeds it is answered as if its wait were over.
//
// When a caller hangs up, waiting for it ends. The caller publishes the request's
// Hodei-Call on hodei.v1.hangup, every instance receives that, and the one that
// has the request ends the wait, and no more than the wait: the handler goes on
// from there as after wait_seconds. A handler whose request waits at another
// service passes the message on. The message may be lost, as any; then the wait
// ends by its own time.
//
// # When things fail
//
// A request that is malformed is answered VALIDATION_ERROR with the field's
// name. One whose deadline has passed is dropped, for nobody listens any more.
// One too many is answered UNAVAILABLE at once rather than left to time out. A
// handler's panic becomes INTERNAL_ERROR and is logged with its stack. Loops that
// outlive a request run under Supervise, which starts them again after a panic.
// Panics counts both, in the statistics of every endpoint and in the metrics of
// the edge. A call that no instance answers becomes UNAVAILABLE, one answered too
// late TIMEOUT.
//
// micro runs the handlers of one endpoint one at a time and its Request.Error
// is a data race outside the handler; hence each request is handed to a
// goroutine of our own, which publishes the reply itself.
//
// # Not here
//
// No rules of any service, no HTTP, no SQL.
package rpc
