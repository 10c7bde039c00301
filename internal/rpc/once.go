package rpc

import (
	"context"
	"encoding/json"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Once has do make the reply to a request with an idempotency key, or gives the
// reply that was made before; the same key with another request is CONFLICT.
// postgres.DB.Once is one.
type Once func(ctx context.Context, op, key string, request []byte, do func(context.Context) (body []byte, status int, err error)) ([]byte, int, error)

func (s *Service) once(ctx context.Context, op *schemas.Op, key string, request []byte, do func(context.Context) (any, error)) (any, error) {
	if err := CheckIdempotencyKey(key); err != nil {
		return nil, err
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

// given is a reply that is encoded already.
type given struct {
	json.RawMessage
	status int
}

// StatusCode is the status that the reply had at first.
func (g given) StatusCode() int { return g.status }
