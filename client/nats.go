package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// NATS returns a client that calls the services directly. The caller configures
// and closes the connection.
func NATS(nc *nats.Conn) *Client { return &Client{via: overNATS{nc}} }

// TokenOptions returns the options of a connection to a NATS with access control. The token is
// the password, and no other connection can subscribe to the replies.
func TokenOptions(text string) ([]nats.Option, error) {
	_, hash, err := token.Parse(text)
	if err != nil {
		return nil, hodei.Errorf(hodei.Invalid, "token: %v", err)
	}
	return []nats.Option{nats.UserInfo("token", text), nats.CustomInboxPrefix(schemas.InboxPrefix(hash.Inbox()))}, nil
}

type overNATS struct{ nc *nats.Conn }

func (t overNATS) send(ctx context.Context, op *schemas.Op, body []byte) (rpc.Reply, error) {
	return rpc.Forward(ctx, t.nc, op, op.Subject, body)
}

func (t overNATS) follow(ctx context.Context, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (schemas.LogEnd, error) {
	// Call the service first: only the service validates the options.
	_, err := rpc.Call(ctx, t.nc, schemas.GetLogs, schemas.GetLogsRequest{ID: req.ID, LogOptions: req.LogOptions, Limit: 1})
	if err != nil {
		return schemas.LogEnd{}, err
	}
	id, err := (&Client{via: t}).ExecutionID(ctx, req.ID)
	if err != nil {
		return schemas.LogEnd{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	feed := follow.NewFeed(follow.FeedConfig{NATS: t.nc, ID: id})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = feed.Run(ctx) // the readers get the error
	}()
	defer func() { cancel(); <-stopped }()
	end, err := read(ctx, feed, id, req, fn)
	if err != nil && err == ctx.Err() {
		err = follow.Interrupted(err)
	}
	return end, err
}

// read calls fn with the lines that the request selects.
func read(ctx context.Context, feed *follow.Feed, id hodei.ExecutionID, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (schemas.LogEnd, error) {
	filter, err := req.Filter(time.Now())
	if err != nil {
		return schemas.LogEnd{}, err
	}
	now := schemas.LogEnd{ExecutionID: id}
	if !req.Follow || !req.All() { // otherwise the progress does not matter
		if now, err = feed.Now(ctx); err != nil {
			return schemas.LogEnd{}, err
		}
	}
	var buf []byte
	for next := req.From(now.LogCount); req.Follow || next <= now.LogCount; {
		batch, err := feed.Read(ctx, next, func() *[]byte { return &buf })
		if err != nil {
			return schemas.LogEnd{}, err
		}
		if batch.End != nil {
			return *batch.End, nil
		}
		for sequence, json := range batch.All() {
			line := hodei.ReadLogLine(json, sequence)
			if !filter.Match(line) || !req.Follow && line.Sequence > now.LogCount {
				continue
			}
			if !req.WithTimestamps() {
				line.Timestamp = time.Time{}
			}
			if err := fn(line); err != nil {
				return schemas.LogEnd{}, err
			}
		}
		next = batch.Last + 1
	}
	return now, nil
}

// secondLook is the interval in which the record is checked for an end, in case
// its event was lost.
const secondLook = 15 * time.Second

func (t overNATS) ended(ctx context.Context, id hodei.ExecutionID) error {
	events := make(chan *nats.Msg, 64) // an execution has fewer; a dropped one delays the end until the next check
	sub, err := t.nc.ChanSubscribe(schemas.EventsOf(id), events)
	if err != nil {
		return follow.Unavailable(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only after the connection is closed
	connected := t.nc.StatusChanged(nats.CONNECTED)
	defer t.nc.RemoveStatusListener(connected)
	for first := true; ; first = false {
		e, err := rpc.Call(ctx, t.nc, schemas.GetExecution, schemas.GetExecutionRequest{ID: hodei.RefTo(id)})
		switch {
		case err == nil && e.Status.Ended():
			return nil
		case err != nil && (first || follow.Final(err) || t.nc.IsClosed()):
			return err
		}
		if sawEnd(ctx, events, connected) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return follow.Interrupted(err)
		}
	}
}

// sawEnd returns true when an event reports the end, false when it is time to
// check.
func sawEnd(ctx context.Context, events <-chan *nats.Msg, connected <-chan nats.Status) bool {
	look := time.After(secondLook)
	for {
		select {
		case msg := <-events:
			var event schemas.Event
			if err := json.Unmarshal(msg.Data, &event); err == nil && event.Execution.Status.Ended() {
				return true
			}
		case <-connected:
			return false
		case <-look:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
