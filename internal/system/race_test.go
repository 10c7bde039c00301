//go:build race

package system_test

// The race detector makes everything some five times slower.
func init() { *backlog /= 5 }
