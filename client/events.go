package client

import (
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

// NameByID replaces the slug in a request by the id of its pipeline, for Match:
// events contain ids. An unknown slug is a VALIDATION_ERROR.
func (c *Client) NameByID(ctx context.Context, req *schemas.FollowEventsRequest) error {
	if req.PipelineID == nil {
		return nil
	}
	id, err := c.PipelineID(ctx, *req.PipelineID)
	switch {
	case errors.Is(err, hodei.NotFound):
		return req.PipelineID.Unknown("pipeline_id")
	case err != nil:
		return err
	}
	ref := hodei.RefTo(id)
	req.PipelineID = &ref
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
