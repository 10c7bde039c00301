//go:build !race

package test

var buildFlags []string

// crowd is how many workers are on screen at once.
const crowd = 200
