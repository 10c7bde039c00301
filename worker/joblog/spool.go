package joblog

import (
	"sync"
	"sync/atomic"
	"time"
)

// Spool is the room that all journals of a worker share: so many bytes in memory,
// then, if the record is away, so many on disk. No output is refused; instead its
// reader waits for room before it reads on. Hence each output may exceed the bounds by
// the chunks of one read, and no more.
type Spool struct {
	dir          string
	memory, disk int64 // limits in bytes

	mu               sync.Mutex
	room             sync.Cond // there is more room, or a Journal was dropped
	inMemory, onDisk int64
	broken           bool // a write to the disk failed, although the limit allows it
	released         time.Time
}

// flowing is how long after the last release the spool waits for more before
// anything goes to disk: a command that is faster than the record waits at its
// pipe, which is cheaper than writing everything twice. The disk is for outages
// of the record.
const flowing = time.Second

// NewSpool returns an empty spool in a directory, with bounds in bytes.
func NewSpool(dir string, memory, disk int64) *Spool {
	s := &Spool{dir: dir, memory: memory, disk: disk}
	s.room.L = &s.mu
	return s
}

// take counts n bytes in memory, unless they do not fit.
func (s *Spool) take(n int) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inMemory+int64(n) > s.memory {
		return false
	}
	s.inMemory += int64(n)
	return true
}

// spilled counts n bytes on disk.
func (s *Spool) spilled(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk += int64(n)
}

// insist counts n bytes in memory although they do not fit, because writing
// them to the disk failed.
func (s *Spool) insist(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMemory += int64(n)
	s.broken = true
}

// release frees room.
func (s *Spool) release(inMemory, onDisk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMemory -= inMemory
	s.onDisk -= onDisk
	s.broken, s.released = false, time.Now()
	s.room.Broadcast()
}

// Full reports whether reading must stop.
func (s *Spool) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isFull()
}

func (s *Spool) isFull() bool {
	return s.inMemory+ChunkBytes > s.memory && (s.onDisk >= s.disk || s.broken || time.Since(s.released) < flowing)
}

// Held is how many bytes of chunks it holds.
func (s *Spool) Held() (inMemory, onDisk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inMemory, s.onDisk
}

// await returns when there is room, or when dropped is set and release has
// been called since.
func (s *Spool) await(dropped *atomic.Bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.isFull() && !dropped.Load() {
		late := time.AfterFunc(flowing, s.room.Broadcast)
		s.room.Wait()
		late.Stop()
	}
}
