package edge

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/edge/console"
	"github.com/hodei-jobs/hodei/internal/health"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// prefixes are the prefixes of every route: the canonical one, and none.
var prefixes = []string{"/api/v1", ""}

// routes serves every operation, on every port.
func (e *Edge) routes(logs *streams, eventStreams *eventStreams) (http.Handler, error) {
	events, err := eventStreams.handler(schemas.FollowEvents.Op)
	if err != nil {
		return nil, err
	}
	if logs.decode, err = rpc.Decoder(schemas.GetLogs.Op); err != nil {
		return nil, fmt.Errorf("serve %s: %w", schemas.GetLogs.Name, err)
	}
	if logs.decodeRun, err = rpc.Decoder(schemas.FollowRun.Op); err != nil {
		return nil, fmt.Errorf("serve %s: %w", schemas.FollowRun.Name, err)
	}
	r := chi.NewRouter()
	r.Use(e.forwarded, e.identify, e.recover, e.guard, e.limitAddress)
	closed := func(handle http.Handler) http.HandlerFunc { return e.authenticate(handle).ServeHTTP }
	r.NotFound(closed(handler(func(_ http.ResponseWriter, r *http.Request) error {
		return &hodei.Error{Code: hodei.NotFound, Message: "Route not found", Resource: "route", ResourceID: r.URL.Path}
	})))
	r.MethodNotAllowed(closed(handler(func(w http.ResponseWriter, req *http.Request) error {
		allowed := methods(r, req.URL.Path)
		w.Header().Set("Allow", allowed)
		return hodei.Errorf(hodei.MethodNotAllowed, "Method %s not allowed, use %s", req.Method, allowed)
	})))
	for _, op := range schemas.Operations {
		if op.Method == "" {
			continue
		}
		for _, prefix := range prefixes {
			handle := e.handler(logs, op)
			if op == schemas.FollowEvents.Op {
				handle = e.stream(op, events)
			}
			r.Method(op.Method, prefix+op.Path, closed(handle))
		}
	}
	e.servePages(r, closed)
	e.serveSessions(r, closed)
	return r, nil
}

// guarded makes a handler require an identified caller.
type guarded func(http.Handler) http.HandlerFunc

// servePages adds what is read with GET and is no operation: health, metrics, the console
// and the documentation.
func (e *Edge) servePages(r chi.Router, closed guarded) {
	open := map[string]http.HandlerFunc{
		"/healthz": health.Live, "/readyz": health.Ready(e.Health),
		"/": console.Serve, "/ui": console.Serve, console.Root + "*": console.Serve,
	}
	own := map[string]http.HandlerFunc{
		"/metrics": health.Metrics(e.metrics.registry).ServeHTTP, "/openapi.json": openapi, "/docs": docs(), "/hodei.schema.json": definitionSchema,
	}
	for _, name := range docsFiles {
		own["/docs/"+name] = own["/docs"]
	}
	for path, handle := range own {
		open[path] = closed(handle)
	}
	for path, handle := range open {
		r.Get(path, handle)
		r.Head(path, handle)
	}
}

// serveSessions adds the ways to sign in, and the hooks, which have secrets of their own.
func (e *Edge) serveSessions(r chi.Router, closed guarded) {
	for _, prefix := range prefixes {
		r.Method("POST", prefix+"/session", handler(e.signIn))
		r.Method("DELETE", prefix+"/session", handler(e.signOut))
		r.Get(prefix+"/session", e.signInWays)
		r.Method("POST", prefix+"/hooks/{id}", handler(e.receiveHook))
		r.Method("POST", prefix+"/session/device", handler(e.beginDevice))
		r.Method("POST", prefix+"/session/device/token", handler(e.redeemDevice))
		r.Method("GET", prefix+"/session/device", closed(handler(e.showDevice)))
		r.Method("POST", prefix+"/session/device/approve", closed(handler(e.approveDevice)))
	}
	if e.signIns != nil {
		r.Get(oidcStart, e.beginOIDC)
		r.Get(oidcCallback, e.endOIDC)
	}
}

// methods returns the methods of the path for the Allow header.
func methods(r chi.Routes, path string) string {
	var allowed []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if r.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}

// handler answers an operation: logs in the format that the client accepts,
// anything else by its service.
func (e *Edge) handler(logs *streams, op *schemas.Op) handler {
	switch forward := e.forward(op); op {
	case schemas.WhoAmI.Op:
		return whoAmI
	case schemas.FollowLogs.Op:
		return e.stream(op, logs.handler(op, onlySSE))
	case schemas.FollowRun.Op:
		return e.stream(op, logs.runHandler(op))
	case schemas.ArtifactContent.Op:
		return e.artifact(op)
	case schemas.GetLogs.Op:
		stream := e.stream(op, logs.handler(op, accepted))
		return func(w http.ResponseWriter, r *http.Request) error {
			r, err := formatted(r)
			if err != nil {
				return err
			}
			if accepted(r, schemas.LogOptions{}) == nil {
				return forward(w, r)
			}
			return stream(w, r)
		}
	default:
		return forward
	}
}

// forward sends the request to the operation's service and the reply to the
// client.
func (e *Edge) forward(op *schemas.Op) handler {
	bind := newBinder(op)
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := bind.request(w, r)
		if err != nil {
			return err
		}
		ctx := r.Context()
		if !op.Waits() {
			ctx = context.WithoutCancel(ctx) // a client may close its sending side after the request
		}
		ctx, cancel := context.WithTimeout(ctx, client.Timeout(op))
		defer cancel()
		if keys := r.Header.Values("Idempotency-Key"); op.Creates && len(keys) > 0 {
			if err := rpc.CheckIdempotencyKey(strings.Join(keys, ", ")); err != nil {
				return err
			}
			ctx = rpc.WithIdempotencyKey(ctx, strings.Join(keys, ", "))
		}
		reply, err := rpc.Forward(ctx, e.cfg.NATS, op, op.Subject, body)
		if err != nil {
			return err
		}
		if op.YAML && op.Method == http.MethodGet && wantsYAML(r) {
			return answerYAML(w, reply)
		}
		answer(w, reply.Status, reply.Body)
		return nil
	}
}
