//go:build race

package test

// buildFlags have the binary under test watch for data races when the tests do.
var buildFlags = []string{"-race"}

// crowd is how many workers one machine carries while it watches for races.
const crowd = 20
