package hodei

import (
	"context"
	"time"
)

// CallerKind is how a caller proved who it is.
type CallerKind string

const (
	// CallerToken has a token.
	CallerToken CallerKind = "token"
	// CallerSession has signed in to the console.
	CallerSession CallerKind = "session"
	// CallerLocal is a program that needs no token, because access control is off.
	CallerLocal CallerKind = "local"
)

// Caller is who asks for an operation: it is checked once, where the request enters the
// system, and passed on with the request.
type Caller struct {
	Kind CallerKind `json:"kind"`
	// ID is the token, also of a session, which begins with one.
	ID   *TokenID `json:"id"`
	Name string   `json:"name"`
	Role Role     `json:"role"`
	// Pipelines are the only ones that the caller may use; all of them when empty.
	Pipelines []PipelineID `json:"pipelines,omitempty"`
	// From is the address of the client.
	From string `json:"from,omitempty"`
	// Op is the operation that the client asked for, which the services behind it
	// record as the cause of what they do.
	Op string `json:"op,omitempty"`
}

type callerKey struct{}

// WithCaller returns ctx with the caller of the request.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, &c)
}

// CallerOf returns the caller of the request that ctx belongs to. There is none without
// access control, and for what a service does by itself: then everything is allowed.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(*Caller)
	if !ok {
		return Caller{}, false
	}
	return *c, true
}

// Token lets its holder use Hodei with a role. The record has only a hash of its text.
type Token struct {
	ID   TokenID `json:"id"`
	Name string  `json:"name"`
	Role Role    `json:"role"`
	// CreatedBy is the name of the caller that created it, null without access control.
	CreatedBy *string    `json:"created_by"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	// LastUsedAt is accurate to a minute.
	LastUsedAt *time.Time `json:"last_used_at"`
}
