package main

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// filler makes a line about as long as those of a build.
const filler = " the quick brown fox jumps over the lazy dog"

// emit writes n lines, rate a second, each with the machine's monotonic clock
// in nanoseconds at its start. A line that is late is written at once.
func emit(n, rate int) error {
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			return err
		}
		line := append(strconv.AppendInt(nil, now.Nano(), 10), filler...)
		if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}
