// Package permit derives the permissions of each user of NATS from the table of operations and
// the channels in schemas. The requests to JetStream are listed in streams.go, because they
// follow from the library and not from a declaration.
//
// A service may publish to every inbox, because it answers all users. Each user receives
// replies below its own inbox prefix (schemas.InboxPrefix), so it cannot read the replies to
// other users. A worker may use only subjects that contain its id, and two on which all workers
// receive the same messages.
package permit
