//go:build race

package test

// buildFlags enable the race detector in the binary under test if the tests use
// it.
var buildFlags = []string{"-race"}

// crowd is the number of workers that one machine can run with the race
// detector.
const crowd = 20
