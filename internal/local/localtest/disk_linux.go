package localtest

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Disk is a small file system of its own, in memory.
type Disk struct {
	Dir  string
	t    testing.TB
	size int64
}

// NewDisk mounts a disk of so many bytes until the test ends. Only root may; for
// others the test is skipped, and CI runs as root.
func NewDisk(t testing.TB, size int64) *Disk {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hodei-disk-") // short enough for a socket
	require.NoError(t, err)
	d := &Disk{Dir: dir, t: t, size: size}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size))
	if errors.Is(err, unix.EPERM) {
		t.Skip("NOT TESTED: a full disk needs a small file system, and mounting one was refused: run the tests as root")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return d
}

// Fill makes the disk as small as what it holds.
func (d *Disk) Fill() { d.t.Helper(); d.Leave(0) }

// Leave makes the disk so small that so many bytes are free.
func (d *Disk) Leave(free int64) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		var now unix.Statfs_t
		require.NoError(d.t, unix.Statfs(d.Dir, &now))
		return d.resize(fmt.Sprintf("nr_blocks=%d", max(now.Blocks-now.Bfree+uint64(free/now.Bsize), 1))) == nil // it fails where it has grown meanwhile
	}, 30*time.Second, time.Millisecond, "fill %s", d.Dir)
}

// Free gives the disk its size again.
func (d *Disk) Free() {
	d.t.Helper()
	require.NoError(d.t, d.resize(fmt.Sprintf("size=%d", d.size)))
}

func (d *Disk) resize(to string) error {
	return unix.Mount("tmpfs", d.Dir, "tmpfs", unix.MS_REMOUNT, to)
}
