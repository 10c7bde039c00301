package reaper

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime is a clock that no user can set. It continues while the machine sleeps, and it
// is the same for every process of the machine.
func Uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(uptimeClock, &now); err != nil {
		panic(err) // the system has no such clock
	}
	return time.Duration(now.Nano())
}
