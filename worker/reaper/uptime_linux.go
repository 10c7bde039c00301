package reaper

import "golang.org/x/sys/unix"

// uptimeClock continues while the machine sleeps.
const uptimeClock = unix.CLOCK_BOOTTIME
