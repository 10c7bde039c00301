// Package schemas is the contract on the wire: the table of operations, the
// subjects, streams and buckets, the headers and the event types.
//
// # Owns
//
// Each operation is declared once, as an Operation value in the file of its
// service. The NATS subject and micro endpoint (internal/rpc), the REST route
// (edge), the client method (client), the JSON Schemas in v1/ and openapi.json
// all follow from that value. The JSON files are generated from the Go types
// by `go test ./schemas -update`, committed, embedded and enforced at run
// time: what is published is what is validated. The schemas in internal/ are of
// messages between Hodei's own programs: they are not published, and may change
// with every version.
//
// # Subjects
//
// This package builds every subject of the system (subjects.go); no other
// package contains a subject literal.
//
// # When things fail
//
// internal/rpc refuses a request that does not match its schema and names the
// invalid field.
//
// # Not here
//
// No connection, no handler, no SQL. Domain types live in hodei.
package schemas
