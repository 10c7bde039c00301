// Package client is the Go SDK: every operation of Hodei that has a route, as a
// method, over NATS or over HTTP.
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
// The subjects of the operations; execution.log.*.<execution_id> and
// execution.event.*.<execution_id> to follow an execution over NATS.
//
// # When things fail
//
// Every error is a *hodei.Error with the code of the service, over either
// transport. A call without a deadline gets that of Timeout. A call that only
// reads is repeated while the answer is UNAVAILABLE, and so is a call that
// creates something, under an idempotency key; others are not. Following a log
// survives a lost connection: it resumes after the last line until ctx is done.
//
// # Not here
//
// No configuration, no environment, no output. Programs that import this
// package do not link pgx, chi or nats-server; a test verifies that.
package client
