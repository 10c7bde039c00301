package disk

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// Store is a directory that the process writes to, under a name that people know.
type Store struct{ Name, Dir string }

// Space is what one store has left.
type Space struct {
	Name        string
	Free, Floor int64 // bytes
}

// Guard watches stores. A nil Guard watches none. It is safe for concurrent use.
type Guard struct {
	floor  int64
	stores []Store

	mu  sync.Mutex
	at  time.Time
	err error
}

// DefaultFloor is the floor of a large disk; that of a small one is a tenth of it.
const DefaultFloor = 256 << 20

// NewGuard returns a guard of the stores. The floor is in bytes; 0 takes DefaultFloor,
// and a negative one refuses nothing.
func NewGuard(floor int64, stores ...Store) *Guard {
	return &Guard{floor: floor, stores: stores}
}

// holds is how long one look at the disks serves: a store that is flooded may lose a
// few hundred MiB meanwhile.
const holds = 200 * time.Millisecond

// Check fails with UNAVAILABLE, naming the store, while one has less space than the
// floor.
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

// Spaces returns what each store has left, without those whose disk cannot be read.
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

// Size is a number of bytes in words.
func Size(bytes int64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
