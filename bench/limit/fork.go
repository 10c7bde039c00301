package main

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// fork starts the command n times, parallel at once, and waits for each: fork,
// exec and wait, nothing else.
func fork(n, parallel int, argv []string) error {
	var g errgroup.Group
	var begun atomic.Int64
	for range parallel {
		g.Go(func() error {
			for begun.Add(1) <= int64(n) {
				if err := once(argv); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func once(argv []string) error {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil && status.ExitStatus() != 0 {
		err = fmt.Errorf("%s: exit status %d", argv[0], status.ExitStatus())
	}
	return err
}
