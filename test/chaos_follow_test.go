//go:build linux

package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// followed is the part of one log that one follower received.
type followed struct {
	id         string
	lines      []string
	end        *schemas.LogEnd // nil before the end
	reconnects int
}

// audience is everything that was followed.
type audience struct {
	mu   sync.Mutex
	seen []followed
}

// follow follows accepted executions to their end on either edge, until ctx is
// done; it finishes those that it has begun.
func (w *arena) follow(ctx context.Context, l *ledger, r *rand.Rand, all *audience) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-l.follow:
			f := followed{id: id}
			for f.end == nil && w.ctx.Err() == nil {
				err := w.read(r, &f)
				if f.end != nil {
					break
				}
				if errors.Is(err, errWrongLine) {
					w.flaw(id, "%v", err)
					break
				}
				f.reconnects++
				pause(w.ctx, time.Duration(50+r.IntN(400))*time.Millisecond)
			}
			all.mu.Lock()
			all.seen = append(all.seen, f)
			all.mu.Unlock()
		}
	}
}

var errWrongLine = errors.New("a follower received a wrong line")

// read reads one stream from the follower's position until it is interrupted or
// done. It abandons a stream that sends nothing, not even a comment.
func (w *arena) read(r *rand.Rand, f *followed) error {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	silent := time.AfterFunc(20*time.Second, cancel)
	defer silent.Stop()
	url := w.edges[r.IntN(len(w.edges))] + "/executions/" + f.id + "/logs/stream?follow=true"
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	if len(f.lines) > 0 {
		req.Header.Set("Last-Event-ID", fmt.Sprint(len(f.lines)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == 404:
		return fmt.Errorf("%w: 404 though it was accepted", errWrongLine)
	case resp.StatusCode != 200:
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	frames := bufio.NewScanner(resp.Body)
	frames.Buffer(nil, 1<<20)
	id, kind := "", ""
	for frames.Scan() {
		silent.Reset(20 * time.Second)
		name, value, _ := strings.Cut(frames.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			if done, err := f.take(id, kind, value); done || err != nil {
				return err
			}
		case "":
			id, kind = "", ""
		}
	}
	return frames.Err()
}

// take processes a frame and reports whether it was the last.
func (f *followed) take(id, kind, data string) (done bool, err error) {
	if kind == "done" {
		f.end = &schemas.LogEnd{}
		return true, json.Unmarshal([]byte(data), f.end)
	}
	var line hodei.LogLine
	if err := json.Unmarshal([]byte(data), &line); err != nil {
		return false, err
	}
	if want := int64(len(f.lines) + 1); line.Sequence != want || id != fmt.Sprint(want) {
		return false, fmt.Errorf("%w: %s (id %s) after line %d, on connection %d", errWrongLine, data, id, want-1, f.reconnects+1)
	}
	f.lines = append(f.lines, line.Line)
	return false, nil
}
