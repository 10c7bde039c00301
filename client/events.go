package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

// FollowEvents calls fn with the events of executions, in order and each once,
// and with the state of each worker. Without req.Follow it sends each worker's
// current state and ends. With it, it continues until ctx is done, across lost
// connections, and calls fn with a Resync if events were lost. It stops and
// returns the error if fn fails.
func (c *Client) FollowEvents(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.FeedEvent) error) (schemas.EventsEnd, error) {
	return c.via.events(ctx, req, fn)
}

// NameByID replaces the names in a request by the ids of their records, for Match: events
// contain ids. An unknown name is a VALIDATION_ERROR.
func (c *Client) NameByID(ctx context.Context, req *schemas.FollowEventsRequest) error {
	return cmp.Or(
		named(ctx, "pipeline_id", &req.PipelineID, c.PipelineID),
		named(ctx, "run_id", &req.RunID, c.RunID),
		named(ctx, "execution_id", &req.ExecutionID, c.ExecutionID),
	)
}

func named[K hodei.Kind](ctx context.Context, field string, ref **hodei.Ref[K], find func(context.Context, hodei.Ref[K]) (hodei.ID[K], error)) error {
	if *ref == nil {
		return nil
	}
	id, err := find(ctx, **ref)
	switch {
	case errors.Is(err, hodei.NotFound):
		return (*ref).Unknown(field)
	case err != nil:
		return err
	}
	found := hodei.RefTo(id)
	*ref = &found
	return nil
}

// events over NATS.
func (t overNATS) events(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.FeedEvent) error) (schemas.EventsEnd, error) {
	if err := (&Client{via: t}).NameByID(ctx, &req); err != nil {
		return schemas.EventsEnd{}, err
	}
	last, err := follow.Events(ctx, follow.EventsConfig{
		NATS: t.nc, Follow: req.Follow, NoWorkers: !req.Workers(), NoExecutions: !req.Executions() && !req.Runs(),
	}, func(e follow.RawEvent) error {
		event, err := e.Decode()
		if err != nil || e.Kind == "" || !req.Match(event) {
			return err
		}
		return fn(event)
	})
	if err == nil && ctx.Err() != nil {
		err = follow.Interrupted(ctx.Err())
	}
	return schemas.EventsEnd{Sequence: last}, err
}

// events over HTTP.
func (t *overHTTP) events(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.FeedEvent) error) (end schemas.EventsEnd, err error) {
	err = t.stream(ctx, schemas.FollowEvents.Op, req, func(kind, id string, data []byte) (bool, error) {
		if kind == "done" {
			return true, json.Unmarshal(data, &end)
		}
		sequence, _ := strconv.ParseUint(id, 10, 64) // none before the first
		event, err := follow.RawEvent{Sequence: sequence, Kind: kind, Data: data}.Decode()
		if err != nil {
			return false, err
		}
		return false, fn(event)
	})
	return end, err
}
