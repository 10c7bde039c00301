package disk_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/disk"
)

func TestGuard(t *testing.T) {
	here := disk.Store{Name: "Postgres", Dir: t.TempDir()}
	const more = 1 << 60 // more than any disk has
	for name, c := range map[string]struct {
		guard   *disk.Guard
		refuses bool
	}{
		"none":                       {nil, false},
		"no store":                   {disk.NewGuard(more), false},
		"too little":                 {disk.NewGuard(more, here), true},
		"enough":                     {disk.NewGuard(1, here), false},
		"never":                      {disk.NewGuard(-1, here), false},
		"a disk that is not there":   {disk.NewGuard(more, disk.Store{Name: "NATS", Dir: filepath.Join(here.Dir, "missing")}), false},
		"the second of two, missing": {disk.NewGuard(more, disk.Store{Dir: filepath.Join(here.Dir, "missing")}, here), true},
	} {
		for range 2 { // the second result is the cached one
			err := c.guard.Check()
			require.Equal(t, c.refuses, err != nil, name)
			if err != nil {
				require.ErrorIs(t, err, hodei.Unavailable)
				require.Regexp(t, `^The disk of Postgres has \d+ .iB free, less than the 1073741824 GiB that must stay free: free some space, or lower --min-free$`, err.Error())
			}
		}
	}
}

func TestSpaces(t *testing.T) {
	here := disk.Store{Name: "Postgres", Dir: t.TempDir()}
	require.Empty(t, (*disk.Guard)(nil).Spaces())
	for floor, want := range map[int64]int64{5 << 20: 5 << 20, -1: 0} {
		spaces := disk.NewGuard(floor, here).Spaces()
		require.Len(t, spaces, 1)
		require.Equal(t, "Postgres", spaces[0].Name)
		require.Positive(t, spaces[0].Free)
		require.Equal(t, want, spaces[0].Floor)
	}
	standard := disk.NewGuard(0, here).Spaces()[0].Floor
	require.Positive(t, standard)
	require.LessOrEqual(t, standard, int64(disk.DefaultFloor))
}
