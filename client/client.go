package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Client calls Hodei. It is safe for concurrent use and needs no closing.
type Client struct{ via transport }

// transport is NATS or HTTP.
type transport interface {
	// send performs the operation with the body of a NATS request, which
	// contains path and query parameters.
	send(ctx context.Context, op *schemas.Op, body []byte) (rpc.Reply, error)
	// follow calls fn with each line until the end, or until fn fails.
	follow(ctx context.Context, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (schemas.LogEnd, error)
	// followRun calls fn with each line and each change of a job until the end, or until fn
	// fails.
	followRun(ctx context.Context, req schemas.FollowRunRequest, fn func(schemas.RunFrame) error) (schemas.RunLogEnd, error)
	// events calls fn with events until there are no more, ctx is done, or fn
	// fails.
	events(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.FeedEvent) error) (schemas.EventsEnd, error)
	// ended returns when the execution has ended.
	ended(ctx context.Context, id hodei.ExecutionID) error
	health(ctx context.Context) (schemas.Health, error)
	// readArtifact returns at most schemas.ChunkBytes of the content from the offset.
	readArtifact(ctx context.Context, id hodei.ArtifactID, offset int64) ([]byte, error)
}

// Timeout returns how long an operation may take: 10 s, or 75 s if the request
// can wait up to 60 s for a worker.
func Timeout(op *schemas.Op) time.Duration {
	if op.Waits() {
		return 75 * time.Second
	}
	return rpc.DefaultTimeout
}

// Raw performs the operation and returns the body of the reply and its HTTP
// status. Operations that only read, or that create something, are repeated for
// up to 1.5 s while the answer is UNAVAILABLE. The request is the operation's
// request struct, or a json.RawMessage of the same shape. Raw refuses an
// operation that streams.
func (c *Client) Raw(ctx context.Context, op *schemas.Op, req any) (body []byte, status int, err error) {
	if op.File {
		return nil, 0, hodei.Errorf(hodei.Invalid, "%s is a file: use OpenArtifact", op.Name)
	}
	if op.Streams {
		return nil, 0, hodei.Errorf(hodei.Invalid, "%s is a stream: use Follow or FollowEvents", op.Name)
	}
	if _, nats := c.via.(overNATS); nats && op.Subject == "" {
		return nil, 0, hodei.Errorf(hodei.Invalid, "%s is an operation over HTTP only", op.Name)
	}
	if body, err = hodei.JSON(req); err != nil {
		return nil, 0, fmt.Errorf("encode %s: %w", op.Name, err)
	}
	if _, set := ctx.Deadline(); !set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Timeout(op))
		defer cancel()
	}
	reply, err := c.repeating(rpc.WithRequestID(ctx, rpc.RequestID(ctx)), op, body)
	return reply.Body, reply.Status, err
}

func call[Req, Rep any](ctx context.Context, c *Client, op schemas.Operation[Req, Rep], req Req) (Rep, error) {
	var rep Rep
	body, _, err := c.Raw(ctx, op.Op, req)
	if err != nil || len(body) == 0 { // 204 has none
		return rep, err
	}
	if err := json.Unmarshal(body, &rep); err != nil {
		return rep, fmt.Errorf("decode reply of %s: %w", op.Name, err)
	}
	return rep, nil
}

// Follow calls fn with each line of the log, in order, without gaps or
// duplicates, and returns the state of the execution at the end of the log.
// Without req.Follow it ends after the existing lines. It stops and returns the
// error if fn fails.
func (c *Client) Follow(ctx context.Context, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (schemas.LogEnd, error) {
	return c.via.follow(rpc.WithRequestID(ctx, rpc.RequestID(ctx)), req, fn)
}

var errEnough = errors.New("enough lines")

// Logs is Follow as a sequence. An error is its last element.
func (c *Client) Logs(ctx context.Context, req schemas.FollowLogsRequest) iter.Seq2[hodei.LogLine, error] {
	return func(yield func(hodei.LogLine, error) bool) {
		_, err := c.Follow(ctx, req, func(line hodei.LogLine) error {
			if !yield(line, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(hodei.LogLine{}, err)
		}
	}
}

// Wait returns the execution when it has ended; only ctx bounds the time.
func (c *Client) Wait(ctx context.Context, id hodei.ExecutionID) (hodei.Execution, error) {
	if err := c.via.ended(rpc.WithRequestID(ctx, rpc.RequestID(ctx)), id); err != nil {
		return hodei.Execution{}, err
	}
	return c.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(id)})
}
