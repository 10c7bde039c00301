package process

import (
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxrssUnit is the unit of the kernel's memory counts, in bytes.
const maxrssUnit = 1

// groupAttr starts a process in its own group.
func groupAttr(*int) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupLives reports whether the group has a process that is not a zombie; its
// leader is one until it is reaped.
func groupLives(group int) bool {
	const zombie = 5 // SZOMB of sys/proc.h
	members, err := unix.SysctlKinfoProcSlice("kern.proc.pgrp", group)
	return err == nil && slices.ContainsFunc(members, func(p unix.KinfoProc) bool { return p.Proc.P_stat != zombie })
}

// awaitExit returns when the child has exited, without reaping it: until then
// its number, which is also that of its group, cannot be reused, so killing the
// group cannot hit another process.
func awaitExit(pid, _ int) {
	const byPID, exited, noReap = 1, 0x4, 0x20 // P_PID, WEXITED, WNOWAIT of sys/wait.h
	var info [128]byte                         // a siginfo_t, which is not used
	for {
		_, _, err := unix.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), exited|noReap, 0, 0)
		if err != unix.EINTR {
			return
		}
	}
}
