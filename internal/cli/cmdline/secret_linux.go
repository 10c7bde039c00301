package cmdline

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/worker/mark"
)

const descriptors = "/proc/self/fd"

// argv0 is the first argument where the kernel put it, before run copies them.
var argv0 = os.Args[0]

// undumpable makes /proc/PID/environ, mem, fd and the like of this process
// unreadable for other processes of its user (root excepted), and forbids core
// dumps and debuggers.
func undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// overwrite clears the environment and the given values in the argument list as
// /proc/PID/environ and cmdline show them, to root too.
//
// Both files show the memory that execve filled, which os.Unsetenv does not
// touch: Go works with a copy of the environment. Executing the program again
// with a clean environment would have the same effect, but needs a way to hand
// the secrets over. The block keeps the variables by which a worker whose command
// started this process finds it.
func overwrite(values []string) error {
	args, environ, err := blocks()
	if err != nil {
		return err
	}
	for arg := range bytes.SplitSeq(args, []byte{0}) {
		for _, value := range values {
			at := len(arg) - len(value)
			if at >= 0 && string(arg[at:]) == value && (at == 0 || arg[at-1] == '=') {
				copy(arg[at:], strings.Repeat("x", len(value)))
			}
		}
	}
	clear(environ)
	copy(environ, strings.Join(mark.Own(), "\x00"))
	return nil
}

// blocks are the memory in which the kernel put the arguments and the
// environment.
func blocks() (args, environ []byte, err error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, nil, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before may hold anything
	const first, argStart = 3, 48                                             // the numbers of proc_pid_stat(5)
	if len(fields) < argStart-first+4 {
		return nil, nil, errors.New("/proc/self/stat does not show where the arguments are")
	}
	var at [4]uint64 // start and end of the arguments, start and end of the environment
	for i := range at {
		if at[i], err = strconv.ParseUint(fields[argStart-first+i], 10, 64); err != nil {
			return nil, nil, err
		}
	}
	base := unsafe.Pointer(unsafe.StringData(argv0))
	if uint64(uintptr(base)) != at[0] || at[1] < at[0] || at[3] < at[2] {
		return nil, nil, errors.New("/proc/self/stat does not show where the arguments are")
	}
	block := func(from, to uint64) []byte { return unsafe.Slice((*byte)(unsafe.Add(base, from-at[0])), to-from) }
	return block(at[0], at[1]), block(at[2], at[3]), nil
}
