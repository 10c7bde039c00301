package localtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Disk is a small file system of its own, in memory.
type Disk struct {
	Dir  string
	size int64
}

// NewDisk mounts a disk of so many bytes until the test ends. Only root may; for
// others the test is skipped, and CI runs as root.
func NewDisk(t testing.TB, size int64) *Disk {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hodei-disk-") // short enough for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	d, err := Mount(dir, size)
	if errors.Is(err, unix.EPERM) {
		t.Skip("NOT TESTED: a full disk needs a small file system, and mounting one was refused: run the tests as root")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Unmount()) })
	return d
}

// Mount mounts a disk of so many bytes at a directory. It is EPERM where the process may
// not mount anything.
func Mount(dir string, size int64) (*Disk, error) {
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size))
	return &Disk{Dir: dir, size: size}, err
}

// Unmount removes the disk with all that it holds.
func (d *Disk) Unmount() error { return unix.Unmount(d.Dir, unix.MNT_DETACH) }

// Fill makes the disk as small as what it holds.
func (d *Disk) Fill() error { return d.Leave(0) }

// Leave makes the disk so small that so many bytes are free.
func (d *Disk) Leave(free int64) (err error) {
	for range 1000 { // it is refused where the disk has grown meanwhile
		var now unix.Statfs_t
		if err := unix.Statfs(d.Dir, &now); err != nil {
			return err
		}
		if err = d.resize(fmt.Sprintf("nr_blocks=%d", max(now.Blocks-now.Bfree+uint64(free/now.Bsize), 1))); err == nil {
			return nil
		}
	}
	return fmt.Errorf("fill %s: %w", d.Dir, err)
}

// Free gives the disk its size again.
func (d *Disk) Free() error { return d.resize(fmt.Sprintf("size=%d", d.size)) }

func (d *Disk) resize(to string) error {
	return unix.Mount("tmpfs", d.Dir, "tmpfs", unix.MS_REMOUNT, to)
}
