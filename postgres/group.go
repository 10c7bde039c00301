package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
)

// group has many callers share commits: what is asked for while a commit is
// under way is done by the next one, all in one statement. One caller alone
// waits for nothing. With 32 executions at once it takes a third of the
// commits, and less than half of the time in Postgres, of one statement each.
type group[A, R any] struct {
	// run does what all ask for in one statement and returns as many answers,
	// or fails as a whole and has done nothing.
	run func(context.Context, []A) ([]answer[R], error)

	mu      sync.Mutex
	waiting []*asked[A, R]
	running int
}

type answer[R any] struct {
	value R
	err   error
}

type asked[A, R any] struct {
	ctx  context.Context
	what A
	done chan answer[R] // has room for the one answer
}

const (
	// groupRuns is how many statements of a group may be under way at once:
	// while one waits for the disk the next can be worked on.
	groupRuns = 2
	groupMost = 128
	// groupTimeout bounds a statement whose callers may all have gone.
	groupTimeout = 30 * time.Second
)

// do asks for something and waits for the answer, or until ctx is done; then it
// may be done all the same.
func (g *group[A, R]) do(ctx context.Context, what A) (R, error) {
	a := &asked[A, R]{ctx: ctx, what: what, done: make(chan answer[R], 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, a)
	if g.running < groupRuns {
		g.running++
		go g.lead()
	}
	g.mu.Unlock()
	select {
	case got := <-a.done:
		return got.value, got.err
	case <-ctx.Done():
		var zero R
		return zero, ctx.Err()
	}
}

// lead runs statements until nobody waits.
func (g *group[A, R]) lead() {
	for batch := g.next(); len(batch) > 0; batch = g.next() {
		all := make([]A, len(batch))
		for i, a := range batch {
			all[i] = a.what
		}
		ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
		for i, got := range g.each(ctx, all) {
			batch[i].done <- got
		}
		cancel()
	}
}

// each returns an answer for all. When the statement fails because of what one
// of them asks for, each is asked for alone.
func (g *group[A, R]) each(ctx context.Context, all []A) []answer[R] {
	answers, err := g.run(ctx, all)
	if err == nil {
		return answers
	}
	answers = make([]answer[R], len(all))
	for i := range all {
		answers[i].err = err
		if len(all) > 1 && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
			answers[i] = g.each(ctx, all[i:i+1])[0]
		}
	}
	return answers
}

// next takes those whose turn it is; nobody is the end of a leader.
func (g *group[A, R]) next() (batch []*asked[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) > 0 && len(batch) < groupMost {
		a := g.waiting[0]
		g.waiting[0], g.waiting = nil, g.waiting[1:]
		if a.ctx.Err() == nil { // else nobody waits for it any more
			batch = append(batch, a)
		}
	}
	if len(batch) == 0 {
		g.running--
	}
	return batch
}
