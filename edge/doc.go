// Package edge is Hodei over HTTP: REST and server-sent events, mapped onto
// the operations in schemas.
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
// Every error has the documented body, an unknown route too. A request is
// validated by its service alone; the edge refuses only what cannot be
// forwarded: too large, not JSON, or saying a thing twice. A service that is
// away is 503 with Retry-After. A stream outlives a NATS that went away and
// came back; a client that no longer reads is dropped after ten seconds, and
// one that comes back resumes with Last-Event-ID. When the edge stops, streams
// end without `done` and other requests are answered first.
//
// # Not here
//
// No rules, no SQL, no state: any number of edges serve the same system.
package edge
