// Package doctor examines a system: `hodei status` shows an overview, `hodei doctor` finds what is wrong and names the remedy.
//
// # Owns
//
// The checks, each with its thresholds and its remedy.
//
// # When things fail
//
// A check that cannot be made is a finding itself; the others go on. Only a system that
// does not answer at all is an error.
//
// # Not here
//
// It repairs nothing.
package doctor
