//go:build !race

package test

const withRace = false
