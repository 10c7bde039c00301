//go:build race

package test

// buildFlags have the binary under test watch for data races when the tests do.
var buildFlags = []string{"-race"}
