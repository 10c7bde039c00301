package hodei

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// CallerKind is how a caller proved who it is.
type CallerKind string

const (
	// CallerToken has a token.
	CallerToken CallerKind = "token"
	// CallerSession has signed in to the console.
	CallerSession CallerKind = "session"
	// CallerUnknown could not prove who it is.
	CallerUnknown CallerKind = "unknown"
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
	// RequestID is that of the request, which travels beside the caller.
	RequestID string `json:"-"`
}

type callerKey struct{}

// called is a caller, and whether the audit log has its request already.
type called struct {
	Caller
	recorded atomic.Bool
}

// WithCaller returns ctx with the caller of the request.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, &called{Caller: c})
}

// MarkRecorded notes that the audit log has the request of ctx, together with what it changed.
func MarkRecorded(ctx context.Context) {
	if c, ok := ctx.Value(callerKey{}).(*called); ok {
		c.recorded.Store(true)
	}
}

// IsRecorded reports whether the audit log has the request of ctx.
func IsRecorded(ctx context.Context) bool {
	c, ok := ctx.Value(callerKey{}).(*called)
	return ok && c.recorded.Load()
}

// MayUse reports whether the caller may use what belongs to the pipeline.
func (c Caller) MayUse(id PipelineID) bool {
	return len(c.Pipelines) == 0 || slices.Contains(c.Pipelines, id)
}

// PipelinesOf returns the pipelines to which the caller of ctx is limited; nil without a limit.
func PipelinesOf(ctx context.Context) []PipelineID {
	c, _ := CallerOf(ctx)
	return c.Pipelines
}

// CallerName is the name of the caller of ctx, nil where it is not known.
func CallerName(ctx context.Context) *string {
	if c, ok := CallerOf(ctx); ok {
		return &c.Name
	}
	return nil
}

// CallerOf returns the caller of the request that ctx belongs to. There is none without
// access control, and for what a service does by itself: then everything is allowed.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(*called)
	if !ok {
		return Caller{}, false
	}
	return c.Caller, true
}

// Token lets its holder use Hodei with a role. The record has only a hash of its text.
type Token struct {
	ID   TokenID `json:"id"`
	Name string  `json:"name"`
	Role Role    `json:"role"`
	// Pipelines limits the token to these pipelines; null without a limit. A deleted pipeline
	// stays in the list.
	Pipelines []PipelineID `json:"pipelines" null:"true"`
	// Subject identifies the person whose sign-in with an OIDC provider made the token: the
	// issuer, a space and the subject at the provider. Such a token has no text and ends with
	// its session, or with the last token of the command line that came from it. Null for all
	// other tokens.
	Subject *string `json:"subject"`
	// CreatedBy is the name of the caller that created it, null without access control.
	CreatedBy *string    `json:"created_by"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	// LastUsedAt is accurate to a minute.
	LastUsedAt *time.Time `json:"last_used_at"`
	// UsesLeft is the number of workers that may still join with a token for workers; null for
	// all other tokens.
	UsesLeft *int `json:"uses_left"`
	// NeedsApproval is true if an operator must approve each of these workers.
	NeedsApproval bool `json:"needs_approval"`
}

// WorkerKey is the key with which a worker that has joined connects to NATS.
type WorkerKey struct {
	WorkerID WorkerID `json:"worker_id"`
	// PublicKey is the public key of the worker's nkey. Only the worker has the seed.
	PublicKey string `json:"public_key"`
	// Name and Address are the name and the address of the connection with which the worker joined.
	Name    string `json:"name"`
	Address string `json:"address"`
	// TokenID is the token with which the worker joined.
	TokenID  TokenID   `json:"token_id"`
	JoinedAt time.Time `json:"joined_at"`
	// ApprovedAt is when the worker was first allowed to connect; null while it waits for an
	// operator.
	ApprovedAt *time.Time `json:"approved_at"`
	// ApprovedBy is the operator who approved the worker; null if no approval was needed.
	ApprovedBy *string `json:"approved_by"`
	// RevokedAt is when the key was revoked. A revoked key never becomes valid again.
	RevokedAt *time.Time `json:"revoked_at"`
}
