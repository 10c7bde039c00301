package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) respond(ctx context.Context, e *endpoint, req received, rep any) error {
	body, err := hodei.JSON(rep)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	header := nats.Header{}
	body = attach(header, body, rep)
	if chosen, ok := rep.(schemas.Statuser); ok && chosen.StatusCode() != e.op.Status {
		header[schemas.HeaderStatus] = []string{strconv.Itoa(chosen.StatusCode())}
	}
	if hodei.IsRecorded(ctx) {
		header[schemas.HeaderRecorded] = []string{"1"}
	}
	return s.send(ctx, req, header, body)
}

// Result makes the result of one entry of a shared request, with the part of err that
// users may see. The error is logged here, because the request as a whole succeeds.
func Result[T any](ctx context.Context, s *Service, op *schemas.Op, value T, err error) schemas.Result[T] {
	if err == nil {
		return schemas.Result[T]{Value: &value}
	}
	visible := s.visible(ctx, err)
	s.log(ctx, op, visible, err, 0)
	return schemas.Result[T]{Error: visible}
}

// visible returns the part of err that users may see.
func (s *Service) visible(ctx context.Context, err error) *hodei.Error {
	public := *hodei.AsError(err)
	if public.Code == hodei.Internal && errors.Is(err, context.DeadlineExceeded) {
		public.Code, public.Message = hodei.Timeout, "Not done in time"
	}
	if public.Code == hodei.Internal && ctx.Err() == context.Canceled {
		public.Code, public.Message = hodei.Unavailable, "The service is stopping"
	}
	public.Timestamp, public.RequestID = time.Now().UTC(), RequestID(ctx)
	return &public
}

// respondError replies with the part of err that users may see, and returns
// that part.
func (s *Service) respondError(ctx context.Context, e *endpoint, req received, err error) *hodei.Error {
	public := s.visible(ctx, err)
	body, _ := hodei.JSON(public) // a struct of strings and a time always encodes
	header := nats.Header{
		micro.ErrorHeader:     []string{headline(*public)},
		micro.ErrorCodeHeader: []string{strconv.Itoa(public.Code.Status())},
	}
	if err := s.send(ctx, req, header, body); err != nil {
		s.cfg.Log.Warn("error not sent", "op", e.op.Name, "request_id", public.RequestID, "err", err)
	}
	return public
}

// send publishes the reply itself, because micro's Respond would record a
// failure while micro's own goroutine reads it.
func (s *Service) send(ctx context.Context, req received, header nats.Header, body []byte) error {
	header[schemas.HeaderRequestID] = []string{RequestID(ctx)}
	if err := s.cfg.NATS.PublishMsg(&nats.Msg{Subject: req.Reply(), Header: header, Data: body}); err != nil {
		return fmt.Errorf("send reply: %w", err)
	}
	return nil
}

// headline returns the error on one line, as header values require.
func headline(e hodei.Error) string {
	if e.Details != nil {
		return fmt.Sprintf("%s: %s: %s", e.Message, e.Details.Field, e.Details.Issue)
	}
	if e.Message == "" {
		return http.StatusText(e.Code.Status())
	}
	return e.Message
}
