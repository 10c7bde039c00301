//go:build !race

package test

var buildFlags []string

// crowd is the number of workers on screen.
const crowd = 200
