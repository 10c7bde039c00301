package disk

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// Store is a directory that the process writes to, with a name for users.
type Store struct{ Name, Dir string }

// Space is the free space of one store.
type Space struct {
	Name        string
	Free, Floor int64 // bytes
}

// Guard watches stores. A nil Guard watches none. It is safe for concurrent
// use.
type Guard struct {
	floor  int64
	stores []Store

	mu  sync.Mutex
	at  time.Time
	err error
}

// DefaultFloor is the floor of a large disk. The floor of a small disk is a
// tenth of its size.
const DefaultFloor = 256 << 20

// NewGuard returns a guard of the stores. The floor is in bytes; 0 means
// DefaultFloor, and a negative floor disables the check.
func NewGuard(floor int64, stores ...Store) *Guard {
	return &Guard{floor: floor, stores: stores}
}

// holds is how long a measurement is reused. In a flood, a store may lose a few
// hundred MiB in this time.
const holds = 200 * time.Millisecond

// Check returns UNAVAILABLE, with the name of the store, if a store has less
// free space than the floor.
func (g *Guard) Check() error {
	if g == nil || g.floor < 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.at) > holds {
		g.at, g.err = time.Now(), g.check()
	}
	return g.err
}

func (g *Guard) check() error {
	for _, s := range g.Spaces() {
		if s.Free < s.Floor {
			return hodei.Errorf(hodei.Unavailable, "The disk of %s has %s free, less than the %s that must stay free: free some space, or lower --min-free",
				s.Name, Size(s.Free), Size(s.Floor))
		}
	}
	return nil
}

// Spaces returns the free space of each store whose disk can be read.
func (g *Guard) Spaces() []Space {
	if g == nil {
		return nil
	}
	var spaces []Space
	for _, s := range g.stores {
		var disk unix.Statfs_t
		if unix.Statfs(s.Dir, &disk) != nil {
			continue
		}
		block := int64(disk.Bsize)
		space := Space{Name: s.Name, Free: int64(disk.Bavail) * block, Floor: max(g.floor, 0)}
		if g.floor == 0 {
			space.Floor = min(DefaultFloor, int64(disk.Blocks)*block/10)
		}
		spaces = append(spaces, space)
	}
	return spaces
}

// Size formats a number of bytes for users.
func Size(bytes int64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
