// Package check compares the streams with the thresholds in their metadata.
//
// # Owns
//
// One question to JetStream for each stream of kv.Setup, and the answer as the monitoring
// checks of jsm.go judge it. `nats server check stream` reads the same thresholds, so both
// come to the same result.
//
// # When things fail
//
// A stream that does not exist has no information; that is not an error. An error means that
// JetStream did not answer.
//
// # Not here
//
// Package kv writes the thresholds. It does not import this package, because worker and
// client import kv and must not link jsm.go.
package check
