package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Group runs the requests of many callers in batches.
type Group[A, R any] struct {
	// Run executes at least one request and returns one answer for each; or it fails as a
	// whole and has changed nothing.
	Run func(context.Context, []A) ([]Answer[R], error)
	// Size, where it is set, is the size of a request. A batch of several has at most
	// MaxSize altogether.
	Size    func(A) int
	MaxSize int

	mu      sync.Mutex
	waiting []*asked[A, R]
	running bool // one batch at a time: two batches of half the size cost Postgres a third more
}

// Answer is the result for one caller.
type Answer[R any] struct {
	Value R
	Err   error
}

// Answers are n answers, each of which get returns by its place.
func Answers[R any](n int, get func(i int) (R, error)) []Answer[R] {
	answers := make([]Answer[R], n)
	for i := range answers {
		answers[i].Value, answers[i].Err = get(i)
	}
	return answers
}

type asked[A, R any] struct {
	ctx  context.Context
	what A
	done chan Answer[R] // has room for the one answer
}

const (
	// Most is how many requests the largest batch has.
	Most = 128
	// timeout bounds a batch, whose callers may all have left.
	timeout = 30 * time.Second
)

// Do waits for the answer to a request, or until ctx is done; the request may be executed
// even then.
func (g *Group[A, R]) Do(ctx context.Context, what A) (R, error) {
	got := g.DoAll(ctx, []A{what})[0]
	return got.Value, got.Err
}

// DoAll is Do for several requests of one caller, which share a batch where they fit. The
// answers are in the order of the requests.
func (g *Group[A, R]) DoAll(ctx context.Context, all []A) []Answer[R] {
	asks := make([]*asked[A, R], len(all))
	for i, what := range all {
		asks[i] = &asked[A, R]{ctx: ctx, what: what, done: make(chan Answer[R], 1)}
	}
	g.add(asks)
	answers := make([]Answer[R], len(all))
	for i, a := range asks {
		select {
		case answers[i] = <-a.done:
		case <-ctx.Done():
			answers[i].Err = ctx.Err()
		}
		if p, ok := answers[i].Err.(panicked); ok {
			panic(p.Error())
		}
	}
	return answers
}

// Waiting is the number of requests that wait for the batch that runs.
func (g *Group[A, R]) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

func (g *Group[A, R]) add(asks []*asked[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, asks...)
	if !g.running && len(g.waiting) > 0 {
		g.running = true
		go g.lead()
	}
}

// lead runs batches until no request waits.
func (g *Group[A, R]) lead() {
	for batch := g.next(); len(batch) > 0; batch = g.next() {
		all := make([]A, len(batch))
		for i, a := range batch {
			all[i] = a.what
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		for i, got := range g.each(ctx, all) {
			batch[i].done <- got
		}
		cancel()
	}
}

// next takes the requests of the next batch. An empty batch ends the leader.
func (g *Group[A, R]) next() (batch []*asked[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	size := 0
	for len(g.waiting) > 0 && len(batch) < Most {
		a := g.waiting[0]
		if a.ctx.Err() == nil { // else its caller has gone
			if g.Size != nil {
				size += g.Size(a.what)
			}
			if size > g.MaxSize && len(batch) > 0 {
				break
			}
			batch = append(batch, a)
		}
		g.waiting[0], g.waiting = nil, g.waiting[1:]
	}
	if len(batch) == 0 {
		g.running = false
	}
	return batch
}

// panicked is a panic of Run, with its stack. It happens in the leader's
// goroutine and is raised again in those of the callers, which can recover.
type panicked struct{ text string }

func (p panicked) Error() string { return p.text }

func (g *Group[A, R]) run(ctx context.Context, all []A) (answers []Answer[R], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked{fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	return g.Run(ctx, all)
}

// each returns an answer for each request. When a batch fails because of one request, each
// runs alone.
func (g *Group[A, R]) each(ctx context.Context, all []A) []Answer[R] {
	answers, err := g.run(ctx, all)
	if err == nil {
		return answers
	}
	answers = make([]Answer[R], len(all))
	for i := range all {
		answers[i].Err = err
		if len(all) > 1 && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
			answers[i] = g.each(ctx, all[i:i+1])[0]
		}
	}
	return answers
}
