// Package follow is the engine behind followed logs and events: the SDK over NATS and the
// edge both run on it.
//
// # Owns
//
// Feed: the log of one execution, from the record, the window in JetStream and the messages
// of the worker, put together without a gap for any number of readers. RunState and RunLog: the state
// of one run, and the logs of its jobs as one stream. Events: the events of
// all executions and the state of every worker, in order and each once. Both go on through
// lost connections and lost streams.
//
// # When things fail
//
// A reader waits for a line that no source has yet. An error ends a feed only if waiting does
// not help: the execution does not exist, or the connection is closed. Lost events are
// reported as a resync.
//
// # Not here
//
// No promise to users: package client has the public calls Follow, Logs and FollowEvents. HTTP
// framing is in edge and client.
package follow
