//go:build race

package test

// withRace reports whether the tests run with the race detector.
const withRace = true
