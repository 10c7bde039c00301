//go:build linux

package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// fillable is the disk of one unit.
type fillable struct {
	*localtest.Disk
	unit *unit
}

// mostOnDisk is the size of a disk that is not full. It uses memory only for
// its content.
const mostOnDisk = 8 << 30

// mount mounts a separate disk at a directory, and returns a function that sets
// its unit. Only root may mount; otherwise no disk is filled.
func (w *arena) mount(dir string) func(*unit) {
	disk, err := localtest.Mount(dir, mostOnDisk)
	if err != nil {
		w.t.Logf("NOT TESTED: %s cannot be a disk of its own, and is not filled: %v", dir, err)
		return func(*unit) {}
	}
	w.t.Cleanup(func() {
		if w.t.Failed() || *chaosKeep {
			out, err := exec.Command("cp", "-a", dir, dir+".kept").CombinedOutput()
			require.NoError(w.t, err, string(out))
		}
		require.NoError(w.t, disk.Unmount())
	})
	return func(u *unit) { w.disks = append(w.disks, fillable{disk, u}) }
}

// fullDisks fills the disks of one or several units for a while.
func fullDisks(w *arena, r *rand.Rand) fault {
	if len(w.disks) == 0 {
		return fault{"fill no disk: there is none of its own", nil, func(context.Context) {}}
	}
	chosen, d := r.Perm(len(w.disks)), span(r, 2*time.Second, 25*time.Second)
	if r.IntN(4) > 0 {
		chosen = chosen[:1]
	}
	var disks []fillable
	var units []*unit
	var names []string
	for _, i := range chosen {
		disks, units, names = append(disks, w.disks[i]), append(units, w.disks[i].unit), append(names, w.disks[i].unit.name)
	}
	return fault{fmt.Sprintf("fill the disk of %s for %s", strings.Join(names, ", "), d), units, func(ctx context.Context) {
		for _, disk := range disks {
			if err := disk.Fill(); err != nil {
				w.note("    %v", err)
			}
		}
		pause(ctx, d)
		for _, disk := range disks {
			if err := disk.Free(); err != nil {
				w.flaw("", "the harness cannot free a disk: %v", err)
			}
		}
	}}
}
