package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fifo is how a command signals the bench that it runs, by writing a line, or
// how the bench signals a command to continue.
type fifo struct {
	path    string
	file    *os.File
	written chan time.Time // when lines were written
}

// newFifo creates a fifo. With listen, the bench reads it.
func (b *bench) newFifo(name string, listen bool) (*fifo, error) {
	f := &fifo{path: filepath.Join(b.dir, name), written: make(chan time.Time, 1024)}
	if err := syscall.Mkfifo(f.path, 0o600); err != nil {
		return nil, err
	}
	var err error
	// Opened for both, it never blocks and never ends.
	if f.file, err = os.OpenFile(f.path, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if listen {
		go f.listen()
	}
	return f, nil
}

func (f *fifo) listen() {
	buf := make([]byte, 64)
	for {
		n, err := f.file.Read(buf)
		if err != nil {
			return
		}
		at := time.Now()
		for range n {
			f.written <- at
		}
	}
}

// wait returns when a command has written its line.
func (f *fifo) wait(ctx context.Context) (time.Time, error) {
	select {
	case at := <-f.written:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("the command did not start: %w", ctx.Err())
	}
}

// release writes the line that a command waits for.
func (f *fifo) release() error {
	_, err := f.file.WriteString("\n")
	return err
}

func (f *fifo) close() error { return errors.Join(f.file.Close(), os.Remove(f.path)) }
