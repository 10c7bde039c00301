// Package packedtest packs lines for tests.
//
// # Owns
//
// Making frames of runs from the NDJSON that tests have, as workers make them of a
// flood from what commands print.
//
// # When things fail
//
// It panics: the test is wrong.
//
// # Not here
//
// Anything that is not for tests.
package packedtest
