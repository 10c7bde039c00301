package rpc

import (
	"context"
	"encoding/json"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Once calls do and stores the reply under the idempotency key, or returns the
// stored reply. The same key with a different request is a CONFLICT.
// postgres.DB.Once implements it.
type Once func(ctx context.Context, op, key string, request []byte, do func(context.Context) (body []byte, status int, err error)) ([]byte, int, error)

func (s *Service) once(ctx context.Context, op *schemas.Op, key string, request []byte, do func(context.Context) (any, error)) (any, error) {
	if err := CheckIdempotencyKey(key); err != nil {
		return nil, err
	}
	if caller, known := hodei.CallerOf(ctx); known && caller.ID != nil {
		key = caller.ID.String() + " " + key // each caller has its own keys
	}
	body, status, err := s.cfg.Once(ctx, op.Name, key, request, func(ctx context.Context) ([]byte, int, error) {
		rep, err := do(ctx)
		if err != nil {
			return nil, 0, err
		}
		status := op.Status
		if chosen, ok := rep.(schemas.Statuser); ok {
			status = chosen.StatusCode()
		}
		body, err := hodei.JSON(rep)
		return body, status, err
	})
	return given{body, status}, err
}

// given is an encoded reply.
type given struct {
	json.RawMessage
	status int
}

// StatusCode returns the status of the first reply.
func (g given) StatusCode() int { return g.status }
