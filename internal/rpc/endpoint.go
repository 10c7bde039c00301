package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// handler answers a request body after validating it with v.
type handler func(ctx context.Context, v *validator, msg incoming) (rep any, err error)

// incoming is a received request: a subject, a body and the bytes that follow it.
type incoming struct {
	subject        string
	body, attached []byte
}

// checkSender refuses the request of a worker for another worker.
func (m incoming) checkSender(op *schemas.Op, req any) error {
	from, ok := req.(schemas.FromWorker)
	if !op.ByWorker || ok && m.subject == op.SubjectFor(from.Sender()) {
		return nil
	}
	return hodei.Errorf(hodei.Forbidden, "A worker asks for itself: the id in the request must be that in the subject")
}

func typed[Req, Rep any](s *Service, op *schemas.Op, fn func(context.Context, Req) (Rep, error)) handler {
	return func(ctx context.Context, v *validator, msg incoming) (any, error) {
		var req Req
		if err := v.decode(msg.body, &req); err != nil {
			return nil, err
		}
		if carries, ok := any(&req).(attachable); ok {
			carries.Attach(msg.attached)
		}
		if err := msg.checkSender(op, req); err != nil {
			return nil, err
		}
		if err := s.admit(ctx, op, req); err != nil {
			return nil, err
		}
		if key := IdempotencyKey(ctx); key != "" && op.Creates && s.cfg.Once != nil {
			return s.once(ctx, op, key, msg.body, func(ctx context.Context) (any, error) { return fn(ctx, req) })
		}
		return fn(ctx, req)
	}
}

// endpoint is one operation served by this instance.
type endpoint struct {
	op        *schemas.Op
	subject   string
	alone     bool // no queue group
	validator *validator
	handle    handler
	stats     stats
}

// stats are kept here, because micro sees the handler return before the work is
// done.
type stats struct {
	inflight, requests, errors, refused, expired atomic.Int64
	nanos                                        atomic.Int64
}

func (s *Service) add(op *schemas.Op, subject string, alone bool, handle handler) {
	v, err := validatorOf(op)
	if err != nil {
		panic(err) // the embedded schema is broken; a test compiles them all
	}
	s.endpoints = append(s.endpoints, &endpoint{op: op, subject: subject, alone: alone, validator: v, handle: handle})
}

// stats is called by micro with its mutex held, so it only reads counters. The
// number of panics is that of the whole process.
func (s *Service) stats(at *micro.Endpoint) any {
	defer Recover(s.cfg.Log, "stats")
	for _, e := range s.endpoints {
		if e.subject == at.Subject {
			data := map[string]int64{
				"in_flight": e.stats.inflight.Load(), "requests": e.stats.requests.Load(),
				"errors": e.stats.errors.Load(), "refused": e.stats.refused.Load(),
				"expired": e.stats.expired.Load(), "processing_ns": e.stats.nanos.Load(), "panics": Panics(),
			}
			if e.op.Waits() {
				data["waiting"] = s.waiting.Load()
			}
			if s.cfg.Stats != nil {
				maps.Copy(data, s.cfg.Stats(e.op.Name))
			}
			return data
		}
	}
	return nil
}

// accept runs in the goroutine of a subscription, so it only checks the
// limits and passes the request on.
func (s *Service) accept(ctx context.Context, e *endpoint, req received) {
	defer Recover(s.cfg.Log, e.op.Name)
	e.stats.requests.Add(1)
	if !atInbox(req.Reply()) {
		e.stats.refused.Add(1)
		s.cfg.Log.DebugContext(ctx, "request without an inbox dropped", "op", e.op.Name, "reply", req.Reply())
		return
	}
	if e.stats.inflight.Load() >= int64(s.cfg.InFlight) {
		s.refuse(ctx, e, req, "Too many requests in flight")
		return
	}
	if !s.gate.enter() {
		s.refuse(ctx, e, req, "The service is stopping")
		return
	}
	e.stats.inflight.Add(1)
	s.crew.do(func() {
		defer Recover(s.cfg.Log, e.op.Name)
		defer s.gate.leave()
		s.serve(ctx, e, req)
	})
}

// atInbox reports whether a reply goes to an inbox, or to the account that sent the request: NATS
// makes the latter subjects itself and refuses those that a client makes.
//
// NATS does not check the subject that a request names for its reply, and a service may publish
// more than its callers: on another subject, the reply would be a message of the service, such
// as a request to JetStream. A message without a reply subject is no request either: it may be an
// acknowledgement of JetStream, which a publisher can direct to any subject.
func atInbox(reply string) bool {
	return strings.HasPrefix(reply, schemas.InboxPrefix("")) || strings.HasPrefix(reply, strings.TrimSuffix(schemas.ImportedReplies, ">"))
}

func (s *Service) refuse(ctx context.Context, e *endpoint, req received, why string) {
	e.stats.refused.Add(1)
	_ = s.respondError(WithRequestID(ctx, req.Headers().Get(schemas.HeaderRequestID)), e, req, hodei.Errorf(hodei.Unavailable, "%s", why))
}

func (s *Service) serve(ctx context.Context, e *endpoint, req received) {
	began := time.Now()
	ctx = WithRequestID(ctx, req.Headers().Get(schemas.HeaderRequestID))
	ctx = WithIdempotencyKey(ctx, req.Headers().Get(schemas.HeaderIdempotencyKey))
	ctx, cancel := s.deadline(ctx, req)
	defer cancel()
	if ctx.Err() != nil {
		e.stats.inflight.Add(-1)
		e.stats.expired.Add(1)
		return
	}
	ctx, rep, err := s.handle(ctx, e, req)
	if err == nil {
		err = s.respond(ctx, e, req, rep)
	}
	took := time.Since(began)
	e.stats.nanos.Add(took.Nanoseconds())
	if err != nil {
		e.stats.errors.Add(1)
		s.log(ctx, e.op, s.respondError(ctx, e, req, err), err, took)
		return
	}
	s.cfg.Log.DebugContext(ctx, "request", "op", e.op.Name, "request_id", RequestID(ctx), "dur", took)
}

// handle calls the handler, and releases the request's place before the answer,
// so that the caller's next request finds it free. The context that it returns
// has the caller, and whether the audit log has the request.
func (s *Service) handle(ctx context.Context, e *endpoint, req received) (_ context.Context, rep any, err error) {
	if e.op.Waits() {
		var c *served
		ctx, c = s.begin(ctx, e, req.Headers().Get(schemas.HeaderCall))
		defer c.end()
	} else {
		defer e.stats.inflight.Add(-1)
	}
	msg := incoming{subject: req.Subject()}
	var malformed error
	msg.body, msg.attached, malformed = detach(req.Headers().Get(schemas.HeaderAttached), req.Data())
	ctx, err = s.identify(ctx, e.op, req) // a refusal is recorded with what the body names
	if err == nil {
		err = malformed
	}
	if err == nil {
		rep, err = s.guard(ctx, e, msg)
	}
	s.audit(ctx, e.op, msg.body, err)
	return ctx, rep, err
}

// log logs the failures of the service for operators. A caller's mistake is
// logged at debug level only.
func (s *Service) log(ctx context.Context, op *schemas.Op, public *hodei.Error, err error, took time.Duration) {
	level := slog.LevelDebug
	if public.Code == hodei.Internal {
		level = slog.LevelError
	}
	s.cfg.Log.Log(ctx, level, "request failed", "op", op.Name, "request_id", RequestID(ctx),
		"code", public.Code, "dur", took, "err", err)
}

// mostTime limits the deadline of a request. It exceeds the longest wait.
const mostTime = 2 * time.Minute

func (s *Service) deadline(ctx context.Context, req received) (context.Context, context.CancelFunc) {
	now := time.Now()
	at, err := time.Parse(time.RFC3339Nano, req.Headers().Get(schemas.HeaderDeadline))
	switch {
	case err != nil: // plain `nats req` sends no deadline
		at = now.Add(time.Minute)
	case at.Sub(now) > mostTime:
		at = now.Add(mostTime)
	}
	return context.WithDeadline(ctx, at)
}

// guard runs the handler and converts its panic to an internal error, which is
// logged like any other.
func (s *Service) guard(ctx context.Context, e *endpoint, msg incoming) (rep any, err error) {
	defer func() {
		if p := recover(); p != nil {
			panics.Add(1)
			err = fmt.Errorf("panic in %s: %v\n%s", e.op.Name, p, debug.Stack())
			if s.cfg.Panicked != nil {
				s.cfg.Panicked()
			}
		}
	}()
	return e.handle(ctx, e.validator, msg)
}
