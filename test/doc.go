// Package test runs Hodei as its users do: the built binary, real processes,
// HTTP and NATS from outside, and kills them for real.
//
// # Owns
//
// The replay of the contract's flows and samples, the logs end to end, the
// roles as separate processes, and the faults: single ones beside what they
// concern, and all of them at random in TestChaos (chaos_test.go), which judges
// the history of everything that was asked for.
//
// # Not here
//
// What one package can show by itself is tested in that package.
package test
