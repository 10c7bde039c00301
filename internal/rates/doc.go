// Package rates limits the rate of requests of each of many callers.
//
// # Owns
//
// A limiter for each recent caller, up to a bound in memory. The edge limits requests by address
// and by token; a service limits requests of people on NATS by token.
//
// # State
//
// In memory. Each instance of a program counts separately.
//
// # Not here
//
// The identification of callers, and the answer to a refused request.
package rates
