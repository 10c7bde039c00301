package client

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// FollowRun calls fn with the lines of all jobs of a run and with each job that changes, and
// returns how the run ended. With req.Follow it waits for that, across lost connections,
// without gaps or duplicates of lines. Executions that have ended follow one after the other,
// those that run are interleaved; the end of a job follows its last line. fn is called from
// one goroutine at a time; its error ends the log.
func (c *Client) FollowRun(ctx context.Context, req schemas.FollowRunRequest, fn func(schemas.RunFrame) error) (schemas.RunLogEnd, error) {
	return c.via.followRun(rpc.WithRequestID(ctx, rpc.RequestID(ctx)), req, fn)
}

func (t *overHTTP) followRun(ctx context.Context, req schemas.FollowRunRequest, fn func(schemas.RunFrame) error) (end schemas.RunLogEnd, err error) {
	err = t.stream(ctx, schemas.FollowRun.Op, req, func(kind, _ string, data []byte) (bool, error) {
		switch kind {
		case "done":
			return true, json.Unmarshal(data, &end)
		case schemas.FrameJob:
			var job hodei.RunJob
			if err := json.Unmarshal(data, &job); err != nil {
				return false, err
			}
			return false, fn(schemas.RunFrame{Job: &job})
		case "", "message":
			var line schemas.RunLine
			if err := json.Unmarshal(data, &line); err != nil {
				return false, err
			}
			return false, fn(schemas.RunFrame{Line: &line})
		}
		return false, nil // a kind of a later version
	})
	return end, err
}

// followRun over NATS puts the logs together here.
func (t overNATS) followRun(ctx context.Context, req schemas.FollowRunRequest, fn func(schemas.RunFrame) error) (schemas.RunLogEnd, error) {
	var end schemas.RunLogEnd
	filter, err := req.Filter(time.Now())
	if err != nil {
		return end, err
	}
	id, err := (&Client{via: t}).RunID(ctx, req.ID)
	if err != nil {
		return end, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	state := follow.NewRunState(follow.RunStateConfig{NATS: t.nc, ID: id, Watch: t.watchRun})
	running.Go(func() { _ = state.Run(ctx) }) // the log gets its error
	log, err := follow.NewRunLog(follow.RunLogConfig{
		NATS: t.nc, State: state, Options: req.LogOptions, Follow: req.Follow,
		Feed: func(id hodei.ExecutionID) (*follow.Feed, func()) {
			feed := follow.NewFeed(follow.FeedConfig{NATS: t.nc, ID: id})
			ctx, cancel := context.WithCancel(ctx)
			running.Go(func() { _ = feed.Run(ctx) })
			return feed, cancel
		},
	})
	if err != nil {
		return end, err
	}
	defer log.Close()
	var buf []byte
	for {
		step, err := log.Next(ctx, func() *[]byte { return &buf })
		switch {
		case err != nil && ctx.Err() != nil:
			return end, follow.Interrupted(ctx.Err())
		case err != nil:
			return end, err
		case step.End != nil:
			return *step.End, nil
		case step.Job != nil:
			err = fn(schemas.RunFrame{Job: step.Job})
		case step.Key != "":
			err = runLines(step, req, filter, fn)
			log.Took(step, step.Batch.Last)
		}
		if err != nil {
			return end, err
		}
	}
}

// runLines calls fn with the lines of a step that the request selects.
func runLines(step follow.RunStep, req schemas.FollowRunRequest, filter hodei.LogFilter, fn func(schemas.RunFrame) error) error {
	for sequence, json := range step.Batch.All() {
		line := hodei.ReadLogLine(json, sequence)
		if sequence > step.Batch.Last || !filter.Match(line) {
			continue
		}
		if !req.WithTimestamps() {
			line.Timestamp = time.Time{}
		}
		if err := fn(schemas.RunFrame{Line: &schemas.RunLine{Job: step.Key, LogLine: line}}); err != nil {
			return err
		}
	}
	return nil
}

// watchRun subscribes to events as they are published. A follower of a run needs no earlier
// events, and people have no access to JetStream.
func (t overNATS) watchRun(ctx context.Context, id hodei.RunID, changed func()) error {
	ref := hodei.RefTo(id)
	want := schemas.FollowEventsRequest{RunID: &ref}
	connected := t.nc.StatusChanged(nats.CONNECTED)
	defer t.nc.RemoveStatusListener(connected)
	for _, subject := range []string{schemas.EventSubjects, schemas.RunEventSubjects} {
		sub, err := t.nc.Subscribe(subject, func(msg *nats.Msg) {
			event, err := follow.RawEvent{Kind: schemas.FeedOf(msg.Subject), Data: msg.Data}.Decode()
			if err == nil && want.Match(event) {
				changed()
			}
		})
		if err != nil {
			return err
		}
		defer func() { _ = sub.Unsubscribe() }() // fails only on a closed connection
	}
	if err := t.nc.FlushTimeout(rpc.DefaultTimeout); err != nil {
		return err
	}
	for {
		changed()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-connected: // events may have been lost
		}
	}
}
