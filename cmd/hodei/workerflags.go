package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/worker"
)

// workerFlags describe a worker, for `up` and for `worker`.
type workerFlags struct {
	kind     string
	capacity int
	labels   map[string]string
	alone    bool
	freeMiB  int64
	logLimit cmdline.ByteSize
	grace    cmdline.Duration
}

// maxGrace bounds --grace: a worker that is terminated, and the stop of a service manager, wait
// that long for a command that ignores SIGTERM.
const maxGrace = time.Hour

func (f *workerFlags) add(flags *pflag.FlagSet, prefix string) {
	flags.StringVar(&f.kind, prefix+"type", "shell", "type of the worker, which jobs can require")
	flags.IntVar(&f.capacity, prefix+"capacity", 0, "slots: executions at a time (default: four per core)")
	flags.BoolVar(&f.alone, prefix+"dedicated", false, "accept only executions that require the type of the worker")
	name := "label"
	if prefix != "" {
		name = prefix + "label"
	}
	flags.StringToStringVar(&f.labels, name, nil, "label that jobs can require, such as zone=a; repeatable")
	flags.Int64Var(&f.freeMiB, "min-free", 0, "free disk space, in MiB, below which new work is refused; -1 never refuses (default 256, or a tenth of a smaller disk)")
	f.logLimit = worker.DefaultLogLimit
	flags.Var(&f.logLimit, "log-limit", "limit of recorded output of an execution, such as 100MiB; the command continues beyond it")
	f.grace = cmdline.Duration(worker.DefaultGrace)
	flags.Var(&f.grace, "grace", "time that a command has to end, after the SIGTERM of a cancel or a timeout, before SIGKILL; at most 1h, 0 for none")
}

// minFree is in bytes.
func (f *workerFlags) minFree() int64 { return f.freeMiB << 20 }

// check refuses values that no worker can have.
func (f *workerFlags) check() error {
	switch {
	case f.capacity < 0:
		return cmdline.Usagef("capacity must not be negative")
	case time.Duration(f.grace) > maxGrace:
		return cmdline.Usagef("--grace must be at most 1h")
	}
	return nil
}

// config returns a worker that keeps its state in dir.
func (f *workerFlags) config(name, dir string) (worker.Config, error) {
	if err := f.check(); err != nil {
		return worker.Config{}, err
	}
	exe, err := os.Executable()
	if err != nil {
		return worker.Config{}, fmt.Errorf("find the reaper: %w", err)
	}
	grace := time.Duration(f.grace)
	if grace == 0 {
		grace = -1 // none; 0 is the default
	}
	return worker.Config{
		Name: name, Type: f.kind, Slots: slots(f.capacity), Labels: f.labels, Dedicated: f.alone, StateDir: dir, MinFree: f.minFree(),
		LogLimit: int64(f.logLimit), Grace: grace,
		Reaper: []string{exe, "reaper"},
	}, nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "worker"
	}
	return name
}

// slots returns a worker's capacity: four per core by default, because commands
// mostly wait.
func slots(capacity int) int {
	if capacity == 0 {
		return 4 * runtime.NumCPU()
	}
	return capacity
}
