// Package permit derives what each user of NATS may publish and subscribe from the table of
// operations and the channels in schemas. What a program needs of JetStream is in streams.go:
// it follows from the library, not from a declaration.
//
// A service may publish to every inbox, because it answers whoever asks. Each user receives
// replies below an inbox prefix of its own (schemas.InboxPrefix), so none can read the
// replies to another one. A worker may use only subjects that contain its id, besides two on
// which everybody receives the same.
package permit
