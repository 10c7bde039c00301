// Package test runs Hodei as its users do: the built binary as real processes,
// over HTTP and NATS, and kills them.
//
// # Owns
//
// The flows and samples of the contract, logs end to end, the roles as separate
// processes, and faults: single ones in the tests of their subject, and all of
// them at random in TestChaos (chaos_test.go), which judges the history of all
// submitted work.
//
// # Not here
//
// Tests that need only one package are in that package.
package test
