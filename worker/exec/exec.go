package exec

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Process is one command and all processes that it starts. The worker calls Start once;
// after a success it calls Wait and then Sweep, each once, in this order.
type Process interface {
	// Start starts the command. It returns ErrSignalled, and starts nothing, if Signal
	// was called before, and a *StartError if the command cannot start.
	Start(Command) error
	// Signal sends a signal to all processes of the command, without waiting. It may be
	// called at any time and concurrently with every other method. It does nothing once
	// Sweep has returned.
	Signal(syscall.Signal)
	// Wait returns when the main process has exited. Other processes may still run.
	Wait()
	// Alive reports whether a process of the command runs. The worker calls it after
	// Wait and before Sweep.
	Alive() bool
	// Sweep kills what the command leaves behind, releases what the executor holds for
	// it, and returns how the main process exited. With strays it also kills processes
	// that detached themselves, as a daemon does.
	Sweep(strays bool) (*Exit, error)
}

// Command is what an executor starts.
type Command struct {
	// Args is the program, a path or a name to look up in PATH, and its arguments.
	Args []string
	// Dir is the working directory. Home and Tmp are directories of this command alone.
	Dir, Home, Tmp string
	// Variables are the environment variables that Hodei sets.
	Variables map[string]string
	// Environment has the variables of the job, which replace all others except those by
	// which the executor finds its processes.
	Environment map[string]string
	// Stdin, Stdout and Stderr stay open in the worker, which closes them.
	Stdin, Stdout, Stderr *os.File
	// Fence is how long after the worker's last contact the command is killed even if
	// the worker is paused, 0 for never.
	Fence time.Duration
}

// Exit is how the main process of a command exited.
type Exit struct {
	Code      int    // if no signal killed it
	Signal    string // that killed it, as SIGKILL, "" for none
	Resources *hodei.Resources
	// OutOfMemory is true if the system killed it, or its last child, for lack of memory.
	OutOfMemory bool
}

// Killed reports whether SIGKILL ended the command: a shell exits with 137 if SIGKILL
// ended its child.
func (e *Exit) Killed() bool { return e.Signal == "SIGKILL" || e.Signal == "" && e.Code == 128+9 }

// ErrSignalled is returned by Start if the command was signalled before.
var ErrSignalled = errors.New("signalled before the start")

// StartError is why a command did not start.
type StartError struct {
	// ExitCode is that of a shell: 127 if the program was not found, 126 if it cannot be
	// executed, 0 for any other failure.
	ExitCode int
	Text     string
}

func (e *StartError) Error() string { return e.Text }
