// Package edge serves Hodei over HTTP: REST and server-sent events, mapped onto
// the operations of package schemas.
//
// # Owns
//
// Three listeners, on ports 8080, 8081 and 8082. Each serves every route, with
// and without the prefix /api/v1. The operation table defines the routes: path,
// query and body of a request become one JSON object, which is forwarded to the
// service unchanged, and so is the service's reply. All readers of an
// execution's log share one follow.Feed. Each port also serves /healthz,
// /readyz, /metrics, /openapi.json and /docs.
//
// # Subjects
//
// The operations that have a route, and the health of the services. The edge
// reads the subjects of follow.Feed, EXECUTION_EVENTS, the WORKERS bucket and
// access.changed. It registers as the micro service "edge" without endpoints,
// so that `nats service ls` lists it.
//
// # When things fail
//
// Every error has the documented body, including that of an unknown route. The
// service validates the request; the edge refuses only requests that it cannot
// forward: too large, not JSON, or with a field given twice. If a service is
// unavailable, the edge answers 503 with Retry-After. A stream survives a lost
// connection to NATS. A client that stops reading is disconnected after ten
// seconds; a client that reconnects resumes with Last-Event-ID. When the edge
// stops, it ends streams without `done` and answers all other requests in
// flight first.
//
// # Not here
//
// No rules, no SQL, no state: any number of edges serve the same system.
package edge
