package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// silence is how long a stream may say nothing before it is held to be
	// dead: three keep-alives.
	silence = 45 * time.Second
	// maxEvent is the longest event in bytes: a line whose every byte is
	// escaped is six times hodei.MaxLine.
	maxEvent = 8 * hodei.MaxLine
)

var (
	errCut    = errors.New("stream ended before the log did")
	errSilent = errors.New("stream fell silent")
)

// stream is a log followed over one connection after another.
type stream struct {
	t      *overHTTP
	req    schemas.FollowLogsRequest
	fn     func(hodei.LogLine) error
	last   string // Last-Event-ID
	open   bool   // the server has agreed to it once
	enough error  // what fn said
}

func (t *overHTTP) follow(ctx context.Context, req schemas.FollowLogsRequest, fn func(hodei.LogLine) error) (schemas.LogEnd, error) {
	s := &stream{t: t, req: req, fn: fn}
	pause := newPause()
	for {
		had := s.last
		end, err := s.connect(ctx)
		switch {
		case end != nil:
			return *end, nil
		case s.enough != nil:
			return schemas.LogEnd{}, s.enough
		case ctx.Err() != nil:
			return schemas.LogEnd{}, interrupted(ctx.Err())
		case !s.open || final(err):
			return schemas.LogEnd{}, err
		}
		if s.last != had {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return schemas.LogEnd{}, interrupted(ctx.Err())
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// connect reads one connection's worth of the stream: to the end of the log,
// or to an error.
func (s *stream) connect(ctx context.Context) (*schemas.LogEnd, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := json.Marshal(s.req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	req, err := s.t.request(ctx, schemas.FollowLogs.Op, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	idle := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer idle.Stop()
	resp, err := s.t.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	s.open = true
	for event, err := range sse.Read(&attentive{resp.Body, idle}, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return nil, err
		}
		if end, err := s.event(event); end != nil || err != nil {
			return end, err
		}
	}
	return nil, errCut
}

func (s *stream) event(event sse.Event) (*schemas.LogEnd, error) {
	switch {
	case event.Type == "done":
		end := &schemas.LogEnd{}
		if err := json.Unmarshal([]byte(event.Data), end); err != nil {
			return nil, err
		}
		return end, nil
	case event.Data != "": // else it only says where the stream is
		var line hodei.LogLine
		if err := json.Unmarshal([]byte(event.Data), &line); err != nil {
			return nil, err
		}
		if s.enough = s.fn(line); s.enough != nil {
			return nil, s.enough
		}
	}
	s.last = event.LastEventID
	return nil, nil
}

// attentive starts its timer anew whenever something is read.
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
		ID: id, LogOptions: schemas.LogOptions{Tail: &none}, Follow: true,
	}, func(hodei.LogLine) error { return nil })
	return err
}
