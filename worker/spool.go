package worker

import (
	"sync"
	"sync/atomic"
	"time"
)

// spool is the room that all journals of a worker share: so many bytes in memory,
// then, if the record is away, so many on disk. No output is refused; instead its
// reader waits for room before it reads on. Hence each output may exceed the bounds by
// the chunks of one read, and no more.
type spool struct {
	dir          string
	memory, disk int64 // bounds in bytes

	mu               sync.Mutex
	room             sync.Cond // there is more room, or a journal was dropped
	inMemory, onDisk int64
	broken           bool // a write to the disk failed, although the bound allows it
	released         time.Time
}

// flowing is for how long after the last release more of them are waited for
// before anything goes to disk: a command that is faster than the record waits
// at its pipe, which costs less than to write everything twice. The disk is for
// when the record is away.
const flowing = time.Second

func newSpool(dir string, memory, disk int64) *spool {
	s := &spool{dir: dir, memory: memory, disk: disk}
	s.room.L = &s.mu
	return s
}

// take counts n bytes as held in memory, unless they do not fit there.
func (s *spool) take(n int) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inMemory+int64(n) > s.memory {
		return false
	}
	s.inMemory += int64(n)
	return true
}

// spilled counts n bytes as held on disk.
func (s *spool) spilled(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk += int64(n)
}

// insist counts n bytes as held in memory although they do not fit, because writing
// them to the disk failed.
func (s *spool) insist(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMemory += int64(n)
	s.broken = true
}

// release gives room back.
func (s *spool) release(inMemory, onDisk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMemory -= inMemory
	s.onDisk -= onDisk
	s.broken, s.released = false, time.Now()
	s.room.Broadcast()
}

// full reports whether reading must stop.
func (s *spool) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isFull()
}

func (s *spool) isFull() bool {
	return s.inMemory+chunkBytes > s.memory && (s.onDisk >= s.disk || s.broken || time.Since(s.released) < flowing)
}

// await returns when there is room, or when dropped is set and release has
// been called since.
func (s *spool) await(dropped *atomic.Bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.isFull() && !dropped.Load() {
		late := time.AfterFunc(flowing, s.room.Broadcast)
		s.room.Wait()
		late.Stop()
	}
}
