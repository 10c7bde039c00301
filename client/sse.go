package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// silence is how long a stream may be silent before it counts as dead:
	// three keep-alives.
	silence = 45 * time.Second
	// maxEvent is the longest event in bytes. It is more than a message of NATS
	// (max_payload in nats.conf), which an event of an execution is: with every
	// byte escaped, its command, its script after it and its outputs exceed 1.8
	// MiB. A longer event would fail again after each reconnect.
	maxEvent = 8 << 20
)

var (
	errCut    = errors.New("stream ended before it was done")
	errSilent = errors.New("stream fell silent")
)

// stream is a stream across several connections.
type stream struct {
	t    *overHTTP
	op   *schemas.Op
	body []byte // the request
	// frame processes a non-empty frame, and reports whether it was the last.
	// Its error ends the stream.
	frame  func(kind, id string, data []byte) (done bool, err error)
	last   string // Last-Event-ID
	open   bool   // the server has accepted it once
	enough error  // the error of frame
}

func (t *overHTTP) follow(ctx context.Context, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (end schemas.LogEnd, err error) {
	err = t.stream(ctx, schemas.FollowLogs.Op, req, func(kind, id string, data []byte) (bool, error) {
		if kind == "done" {
			return true, json.Unmarshal(data, &end)
		}
		sequence, _ := strconv.ParseInt(id, 10, 64) // 0 if the server sends none
		return false, fn(hodei.ReadLogLine(data, sequence))
	})
	return end, err
}

// stream follows the operation until its end, across lost connections.
func (t *overHTTP) stream(ctx context.Context, op *schemas.Op, req any, frame func(kind, id string, data []byte) (bool, error)) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	s := &stream{t: t, op: op, body: body, frame: frame}
	pause := follow.NewPause()
	for {
		had := s.last
		done, err := s.connect(ctx)
		switch {
		case done:
			return nil
		case s.enough != nil:
			return s.enough
		case ctx.Err() != nil:
			return follow.Interrupted(ctx.Err())
		case !s.open || follow.Final(err):
			return err
		}
		if s.last != had {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return follow.Interrupted(ctx.Err())
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// connect reads one connection of the stream: to its end, or to an error.
func (s *stream) connect(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := s.t.request(ctx, s.op, s.body)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	idle := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer idle.Stop()
	resp, err := s.t.do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	s.open = true
	for event, err := range sse.Read(&attentive{resp.Body, idle}, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return false, err
		}
		if event.Data != "" { // otherwise it is only a position
			if done, s.enough = s.frame(event.Type, event.LastEventID, []byte(event.Data)); done || s.enough != nil {
				return done && s.enough == nil, s.enough
			}
		}
		s.last = event.LastEventID
	}
	return false, errCut
}

// attentive restarts its timer at each read.
type attentive struct {
	io.Reader
	idle *time.Timer
}

func (a *attentive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.idle.Reset(silence)
	return n, err
}

// ended follows the log without its lines.
func (t *overHTTP) ended(ctx context.Context, id hodei.ExecutionID) error {
	none := schemas.Tail(0)
	_, err := t.follow(ctx, schemas.FollowLogsRequest{
		ID: hodei.RefTo(id), LogOptions: schemas.LogOptions{Tail: &none}, Follow: true,
	}, func(hodei.LogLine) error { return nil })
	return err
}
