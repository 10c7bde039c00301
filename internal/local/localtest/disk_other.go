//go:build !linux

package localtest

import (
	"errors"
	"testing"
)

// Disk is a small file system, which the tests create on Linux only.
type Disk struct{ Dir string }

// NewDisk skips the test.
func NewDisk(t testing.TB, _ int64) *Disk {
	t.Skip("NOT TESTED: a full disk needs a small file system, which the tests make on Linux only")
	return nil
}

// Mount fails.
func Mount(string, int64) (*Disk, error) { return nil, errors.ErrUnsupported }

// Unmount fails.
func (d *Disk) Unmount() error { return errors.ErrUnsupported }

// Fill fails.
func (d *Disk) Fill() error { return errors.ErrUnsupported }

// Leave fails.
func (d *Disk) Leave(int64) error { return errors.ErrUnsupported }

// Free fails.
func (d *Disk) Free() error { return errors.ErrUnsupported }
