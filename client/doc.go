// Package client is the Go SDK: every operation of Hodei that has a route, as
// a method, over NATS or over HTTP.
//
//	c := client.HTTP("http://127.0.0.1:8080") // or client.NATS(nc)
//	run, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job})
//	end, err := c.Follow(ctx, schemas.FollowLogsRequest{ID: run.ExecutionID, Follow: true}, print)
//
// # Owns
//
// The two transports, both driven by the operation table in schemas. Logs and events are
// followed by Follow, Logs and FollowEvents; over NATS internal/follow does the work, for the
// edge too.
//
// # Subjects
//
// Those of the operations; execution.log.<execution_id> and
// execution.event.*.<execution_id> to follow an execution over NATS.
//
// # When things fail
//
// Every error is a *hodei.Error with the code that the service gave, whichever
// the transport. A call without a deadline gets the one of Timeout. A call that
// only reads is repeated while the answer is UNAVAILABLE, and so is one that
// creates something, under an idempotency key that makes it harmless; nothing
// else is. Following a log outlives a lost connection: it goes on from the last line it had, until
// the context is done.
//
// # Not here
//
// No configuration, no environment, no output. Neither pgx, chi nor
// nats-server is linked into what imports this package; a test keeps it so.
package client
