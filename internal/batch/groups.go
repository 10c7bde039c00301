package batch

import (
	"context"
	"sync"
)

// Groups forms the batches of each key apart: one that takes long delays no other key.
type Groups[K comparable, A, R any] struct {
	// Run, Size and MaxSize are those of Group.
	Run     func(context.Context, K, []A) ([]Answer[R], error)
	Size    func(A) int
	MaxSize int

	mu     sync.Mutex
	groups map[K]*used[A, R] // of the keys with callers
}

type used[A, R any] struct {
	Group[A, R]
	callers int
}

// Do is Group.Do among the requests of a key.
func (g *Groups[K, A, R]) Do(ctx context.Context, key K, what A) (R, error) {
	got := g.DoAll(ctx, key, []A{what})[0]
	return got.Value, got.Err
}

// DoAll is Group.DoAll among the requests of a key.
func (g *Groups[K, A, R]) DoAll(ctx context.Context, key K, all []A) []Answer[R] {
	group := g.enter(key)
	defer g.leave(key, group)
	return group.DoAll(ctx, all)
}

// Waiting is Group.Waiting among the requests of a key.
func (g *Groups[K, A, R]) Waiting(key K) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group := g.groups[key]; group != nil {
		return group.Waiting()
	}
	return 0
}

func (g *Groups[K, A, R]) enter(key K) *used[A, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	group := g.groups[key]
	if group == nil {
		group = &used[A, R]{Group: Group[A, R]{Size: g.Size, MaxSize: g.MaxSize}}
		group.Run = func(ctx context.Context, all []A) ([]Answer[R], error) { return g.Run(ctx, key, all) }
		if g.groups == nil {
			g.groups = map[K]*used[A, R]{}
		}
		g.groups[key] = group
	}
	group.callers++
	return group
}

func (g *Groups[K, A, R]) leave(key K, group *used[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group.callers--; group.callers == 0 {
		delete(g.groups, key)
	}
}
