package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Reply is an encoded reply.
type Reply struct {
	Body     []byte
	Attached []byte // the bytes after the JSON; nil for none
	Status   int    // HTTP status of a success
}

// Call sends the request to the operation's service and decodes the reply.
// Errors are the service's *hodei.Error.
func Call[Req, Rep any](ctx context.Context, nc *nats.Conn, op schemas.Operation[Req, Rep], req Req) (Rep, error) {
	subject := op.Subject
	if from, ok := any(req).(schemas.FromWorker); ok && op.ByWorker {
		subject = op.SubjectFor(from.Sender())
	}
	return call[Rep](ctx, nc, op.Op, subject, req)
}

// CallWorker sends the request to one worker. If the worker is not connected,
// it fails at once with UNAVAILABLE wrapping nats.ErrNoResponders.
func CallWorker[Req, Rep any](ctx context.Context, nc *nats.Conn, op schemas.Operation[Req, Rep], id hodei.WorkerID, req Req) (Rep, error) {
	return call[Rep](ctx, nc, op.Op, op.SubjectFor(id), req)
}

func call[Rep any](ctx context.Context, nc *nats.Conn, op *schemas.Op, subject string, req any) (Rep, error) {
	var rep Rep
	body, err := hodei.JSON(req)
	if err != nil {
		return rep, fmt.Errorf("encode %s: %w", op.Name, err)
	}
	reply, err := forward(ctx, nc, op, subject, body, req)
	if err != nil {
		return rep, err
	}
	return Decode[Rep](op, reply)
}

// Decode decodes the reply of an operation, with the bytes that it carries.
func Decode[Rep any](op *schemas.Op, reply Reply) (rep Rep, err error) {
	if err := json.Unmarshal(reply.Body, &rep); err != nil {
		return rep, fmt.Errorf("decode reply of %s: %w", op.Name, err)
	}
	if carries, ok := any(&rep).(attachable); ok {
		carries.Attach(reply.Attached)
	}
	return rep, nil
}

// Forward sends an encoded body and returns the encoded reply, for the edge.
// Errors are *hodei.Error.
func Forward(ctx context.Context, nc *nats.Conn, op *schemas.Op, subject string, body []byte) (Reply, error) {
	return forward(ctx, nc, op, subject, body, nil)
}

// forward sends the body and the bytes that the request carries.
func forward(ctx context.Context, nc *nats.Conn, op *schemas.Op, subject string, body []byte, req any) (Reply, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	msg := nats.NewMsg(subject)
	msg.Data = attach(msg.Header, body, req)
	deadline, _ := ctx.Deadline()
	msg.Header[schemas.HeaderDeadline] = []string{deadline.UTC().Format(time.RFC3339Nano)}
	if id := RequestID(ctx); id != "" {
		msg.Header[schemas.HeaderRequestID] = []string{id}
	}
	if caller := callerHeader(ctx, op); caller != "" {
		msg.Header[schemas.HeaderCaller] = []string{caller}
	}
	if key := IdempotencyKey(ctx); key != "" && op.Creates {
		msg.Header[schemas.HeaderIdempotencyKey] = []string{key}
	}
	done := func(error) {}
	if op.Waits() {
		done = named(ctx, nc, msg)
	}
	answer, err := request(ctx, nc, op, msg)
	done(err)
	if err != nil {
		return Reply{}, transportError(ctx, op, err)
	}
	if code := answer.Header.Get(micro.ErrorCodeHeader); code != "" {
		return Reply{}, remoteError(answer)
	}
	if answer.Header.Get(schemas.HeaderRecorded) != "" {
		hodei.MarkRecorded(ctx)
	}
	reply := Reply{Status: op.Status}
	if reply.Body, reply.Attached, err = detach(answer.Header.Get(schemas.HeaderAttached), answer.Data); err != nil {
		return Reply{}, err
	}
	if status, err := strconv.Atoi(answer.Header.Get(schemas.HeaderStatus)); err == nil {
		reply.Status = status
	}
	return reply, nil
}

// missing is for how long a request is sent again while no instance of the service is
// running. It outlasts the failover of the scheduler, which takes up to two seconds.
const missing = 2500 * time.Millisecond

// request sends the request and, while no instance of the service is running,
// sends it again. No instance received it, so a repeat is safe, and neither a rolling
// restart nor a failover causes errors.
func request(ctx context.Context, nc *nats.Conn, op *schemas.Op, msg *nats.Msg) (*nats.Msg, error) {
	began := time.Now()
	for {
		answer, err := nc.RequestMsgWithContext(ctx, msg)
		if !errors.Is(err, nats.ErrNoResponders) || op.PerWorker || time.Since(began) > missing {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func transportError(ctx context.Context, op *schemas.Op, err error) error {
	failed := &hodei.Error{Code: hodei.Unavailable, Timestamp: time.Now().UTC(), RequestID: RequestID(ctx), Err: err}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		failed.Code, failed.Message = hodei.Timeout, fmt.Sprintf("No answer from %s in time", op.Service)
	case errors.Is(err, context.Canceled):
		failed.Message = "Request cancelled"
	case errors.Is(err, nats.ErrNoResponders):
		failed.Message = fmt.Sprintf("No %s is running", op.Service)
	case errors.Is(err, nats.ErrMaxPayload):
		failed.Code, failed.Message = hodei.TooLarge, "Request body is too large"
	default:
		failed.Message = "NATS is unreachable"
	}
	return failed
}

// remoteError decodes the error that the service returned.
func remoteError(answer *nats.Msg) error {
	remote := &hodei.Error{}
	if err := json.Unmarshal(answer.Data, remote); err == nil && remote.Code != "" {
		return remote
	}
	status, _ := strconv.Atoi(answer.Header.Get(micro.ErrorCodeHeader))
	code, ok := hodei.CodeOf(status)
	if !ok {
		code = hodei.Internal
	}
	return hodei.Errorf(code, "%s", answer.Header.Get(micro.ErrorHeader))
}
