//go:build !linux

package localtest

import "testing"

// Disk is a small file system of its own, which only Linux has here.
type Disk struct{ Dir string }

// NewDisk skips the test.
func NewDisk(t testing.TB, _ int64) *Disk {
	t.Skip("NOT TESTED: a full disk needs a small file system, which the tests make on Linux only")
	return nil
}

// Fill does nothing.
func (d *Disk) Fill() {}

// Leave does nothing.
func (d *Disk) Leave(int64) {}

// Free does nothing.
func (d *Disk) Free() {}
