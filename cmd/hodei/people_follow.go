package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// follow prints the log of an execution to its end, and before its first line
// why it waits.
func (s *session) follow(ctx context.Context, id hodei.ExecutionID, why string) (schemas.LogEnd, error) {
	print := s.printer(false).print
	quiet := s.tellWaiting(ctx, id, why)
	defer quiet()
	return s.Follow(ctx, schemas.FollowLogsRequest{ID: id, Follow: true}, func(l hodei.LogLine) error {
		quiet()
		return print(l)
	})
}

// tellWaiting says why the execution waits for a worker, whenever that
// changes, until it waits no more or the returned function is called.
func (s *session) tellWaiting(ctx context.Context, id hodei.ExecutionID, why string) (quiet func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watchQueue(ctx, id, why)
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

const (
	// firstLook is how long an execution may wait before anything is said.
	firstLook = 500 * time.Millisecond
	// nextLook is the time between two looks at the queue.
	nextLook = 3 * time.Second
)

func (s *session) watchQueue(ctx context.Context, id hodei.ExecutionID, why string) {
	if why != "" {
		s.say("%s", why)
	}
	look := time.NewTimer(firstLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now, waits := s.whyWaiting(ctx, id)
		if !waits || ctx.Err() != nil {
			return
		}
		if now != "" && now != why {
			s.say("%s", now)
			why = now
		}
		look.Reset(nextLook)
	}
}

// whyWaiting is what the queue says of the execution, "" when that is not known
// at the moment. It does not wait once it is known to be anything but PENDING.
func (s *session) whyWaiting(ctx context.Context, id hodei.ExecutionID) (why string, waits bool) {
	queue, err := s.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000})
	if err != nil {
		return "", true
	}
	for _, entry := range queue.Items {
		if entry.ExecutionID == id {
			return s.waits(entry.Reason, entry.Position), true
		}
	}
	e, err := s.GetExecution(ctx, schemas.GetExecutionRequest{ID: id})
	return "", err != nil || e.Status == hodei.Pending
}

func (s *session) waits(reason string, position int) string {
	return fmt.Sprintf("waiting: %s (position %d in the queue)", plain(reason), position)
}

// sayEnd says how an execution ended that did not complete.
func (s *session) sayEnd(e hodei.Execution) {
	text := string(e.Status)
	if why := detail(e); why != "" {
		text += " " + why
	}
	if e.DurationSeconds != nil {
		text += " after " + took(e.DurationSeconds)
	}
	s.say("%s\n  %s", text, s.command("logs %s", e.ID))
}

// statusOf is the exit status for an execution that did not complete: never 0.
func statusOf(e hodei.Execution) int {
	switch {
	case e.ExitCode != nil && *e.ExitCode != 0:
		return *e.ExitCode
	case e.Signal != nil && unix.SignalNum(*e.Signal) != 0:
		return 128 + int(unix.SignalNum(*e.Signal))
	}
	return 1
}
