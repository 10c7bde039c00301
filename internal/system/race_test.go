//go:build race

package system_test

// The race detector makes everything about five times slower.
func init() { *backlog /= 10 }
