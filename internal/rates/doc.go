// Package rates limits how often each of many callers may do something.
//
// # Owns
//
// A limiter for each caller that has done something lately, up to a bound in memory. The edge
// counts requests by address and by token, a service those of people on NATS by token.
//
// # State
//
// In memory, of one instance: several instances count by themselves.
//
// # Not here
//
// Who the caller is, and the refusal.
package rates
