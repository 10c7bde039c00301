package localtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Disk is a small file system in memory.
type Disk struct {
	Dir  string
	size int64
}

// NewDisk mounts a disk of size bytes until the test ends. This requires root;
// otherwise the test is skipped. CI runs as root.
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

// Mount mounts a disk of size bytes at a directory. It fails with EPERM if the
// process may not mount.
func Mount(dir string, size int64) (*Disk, error) {
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size))
	return &Disk{Dir: dir, size: size}, err
}

// Unmount removes the disk with its content.
func (d *Disk) Unmount() error { return unix.Unmount(d.Dir, unix.MNT_DETACH) }

// Fill shrinks the disk to its content.
func (d *Disk) Fill() error { return d.Leave(0) }

// Leave shrinks the disk until free bytes are left.
func (d *Disk) Leave(free int64) (err error) {
	for range 1000 { // it fails if the content has grown in between
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

// Free restores the size of the disk.
func (d *Disk) Free() error { return d.resize(fmt.Sprintf("size=%d", d.size)) }

func (d *Disk) resize(to string) error {
	return unix.Mount("tmpfs", d.Dir, "tmpfs", unix.MS_REMOUNT, to)
}
