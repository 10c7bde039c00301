// Package rpc provides typed request and reply over the NATS micro framework,
// driven by the operation table in package schemas.
//
// # Owns
//
// Everything between a subject and a Go function: validation, the deadline, the
// request id, bounded concurrency, errors as micro headers and as the JSON
// body, statistics, and a drain that waits for requests in flight. No other
// package uses micro.
//
// # Subjects
//
// The subjects of the operations that are passed to Handle.
//
// # Validation
//
// Every request is validated before its handler runs. No header and no field of
// a request changes how it is validated.
//
//   - An operation with a route is validated against its published JSON Schema.
//     A field that the schema does not name is an error, because it is probably
//     a typo.
//   - An operation without a route is a message between programs of Hodei,
//     which may have different versions: unknown fields are ignored. The
//     request's Validate method checks the values if it has one, which costs a
//     fifth of a schema; otherwise the schema does.
//   - An operation that declares Open, such as workers.register, is validated
//     against its schema but ignores unknown fields.
//
// # Waiting
//
// A request in flight occupies one of the InFlight places of its endpoint. A
// request that waits for other requests, such as jobs.execute for a worker,
// releases its place with Wait, because those requests may need it. A separate
// limit, Waiting, applies to the whole service. A request above it is answered
// as if its wait had timed out.
//
// When a caller disconnects, the wait of its request ends. The caller publishes
// the request's Hodei-Call on hodei.v1.hangup. Every instance receives the
// message, and the instance that holds the request ends its wait, and only the
// wait: the handler continues as after wait_seconds. If the handler's request
// waits at another service, the handler forwards the message. If the message is
// lost, the wait ends by its own timeout.
//
// # When things fail
//
// A malformed request is answered with VALIDATION_ERROR and the name of the
// field. A request whose deadline has passed is dropped, because its caller no
// longer waits. A request over the limit is answered with UNAVAILABLE at once.
// A handler's panic becomes INTERNAL_ERROR and is logged with its stack. Loops
// that outlive a request run under Supervise, which restarts them after a
// panic. Panics counts both kinds, in the statistics of every endpoint and in
// the metrics of each process. A call that no instance answers fails with
// UNAVAILABLE, a call that is answered too late with TIMEOUT.
//
// micro runs the handlers of an endpoint one at a time, and its Request.Error
// is a data race outside the handler. So each request runs on a goroutine of
// this package, which publishes the reply itself.
//
// # Not here
//
// No rules of any service, no HTTP, no SQL.
package rpc
