// Package edge serves Hodei over HTTP: REST and server-sent events, mapped onto
// the operations of package schemas.
//
// # Owns
//
// Three listeners, 8080, 8081 and 8082, of which each serves every route, with
// /api/v1 and without. The routes
// are the operation table: what a request says in its path, query and body
// becomes one JSON object, which goes to the service as it is, and what the
// service answers goes back as it is. Logs are followed through follow.Feed,
// one for each execution whatever the number of its readers. Each port tells
// of itself too: /healthz, /readyz, /metrics, /openapi.json and /docs.
//
// # Subjects
//
// Those of the operations that have a route, the health of the three services,
// and what follow.Feed follows. It registers as the micro service "edge",
// which has no endpoints: it is there to be seen.
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
