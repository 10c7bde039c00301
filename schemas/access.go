package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The access service owns tokens and sessions.
var (
	CreateToken = declare[CreateTokenRequest, CreatedToken](Op{
		Name: "tokens.create", Role: hodei.Admin, Service: Access, Method: "POST", Path: "/tokens", Status: 201,
		Summary: "Create a token for a person or a program, or one with which workers join",
		Description: "A token with the role worker lets max_uses workers join, 1 when left out, within an hour unless expires_in_seconds sets another " +
			"time, and nothing else. The reply has its text in token, this once: only a hash is recorded. An Idempotency-Key has no effect here, because " +
			"it would keep the text.",
	})
	ListTokens = declare[ListTokensRequest, List[hodei.Token]](Op{
		Name: "tokens.list", Role: hodei.Admin, Service: Access, Method: "GET", Path: "/tokens",
		Summary: "List tokens, newest first, without their texts",
	})
	DeleteToken = declare[DeleteTokenRequest, Empty](Op{
		Name: "tokens.delete", Role: hodei.Admin, Service: Access, Method: "DELETE", Path: "/tokens/{id}", Status: 204,
		Summary:     "Revoke a token and the sessions that began with it",
		Description: "Every edge refuses it within seconds, usually at once. Streams that are open end within a minute.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	ListWorkerKeys = declare[ListWorkerKeysRequest, List[hodei.WorkerKey]](Op{
		Name: "workers.keys", Role: hodei.Viewer, Service: Access, Method: "GET", Path: "/workers/keys",
		Summary: "List the workers that have joined with a token, newest first",
	})
	ApproveWorker = declare[ApproveWorkerRequest, hodei.WorkerKey](Op{
		Name: "workers.approve", Role: hodei.Operator, Service: Access, Method: "POST", Path: "/workers/{id}/approve",
		Summary: "Approve a worker that has joined, so that it may connect",
		Errors:  []hodei.Code{hodei.NotFound},
	})
	RevokeWorker = declare[RevokeWorkerRequest, hodei.WorkerKey](Op{
		Name: "workers.revoke", Role: hodei.Operator, Service: Access, Method: "POST", Path: "/workers/{id}/revoke",
		Summary:     "Revoke the key of a worker that has joined",
		Description: "NATS ends the connection of the worker within seconds, usually at once, and never admits the key again. Its executions end as those of a lost worker.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	ListAudit = declare[ListAuditRequest, List[hodei.AuditRecord]](Op{
		Name: "audit.list", Role: hodei.Admin, Service: Access, Method: "GET", Path: "/audit",
		Summary: "List the requests that changed something or were refused, newest first",
		Description: "Each has who asked, for what, when, from where and with which outcome. A record is written in the same transaction " +
			"as the change. Without access control there are none, because no caller is known.",
	})
	WhoAmI = declare[Empty, Identity](Op{
		Name: "whoami", Role: hodei.Viewer, Limit: LimitNone, Service: Edge, Method: "GET", Path: "/whoami",
		Summary: "Show who asks, and with which role",
	})
	Authenticate = declare[AuthenticateRequest, Authenticated](Op{
		Name: "access.authenticate", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Find the caller that a token or a session belongs to",
		Errors:  []hodei.Code{hodei.Unauthenticated},
	})
	CreateSession = declare[CreateSessionRequest, Authenticated](Op{
		Name: "sessions.create", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Begin a session of the console with a token, a sign-in link or a user of an OIDC provider",
		Errors:  []hodei.Code{hodei.Unauthenticated},
	})
	DeleteSession = declare[DeleteSessionRequest, Empty](Op{
		Name: "sessions.delete", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "End a session of the console",
	})
)

// CreateTokenRequest creates a token.
type CreateTokenRequest struct {
	// Name is who or what will use it; it need not be unique and must not be blank.
	Name string `json:"name" jsonschema:"minLength=1,maxLength=200,pattern=\\S"`
	// Role is what it allows.
	Role hodei.Role `json:"role"`
	// Pipelines limits the token to these pipelines. Default: no limit.
	Pipelines []hodei.PipelineRef `json:"pipelines,omitempty" jsonschema:"maxItems=100"`
	// ExpiresInSeconds is the lifetime of the token, at most ten years. Default: 90 days, or an
	// hour for the role worker.
	ExpiresInSeconds *float64 `json:"expires_in_seconds,omitempty" jsonschema:"exclusiveMinimum=0,maximum=315360000"`
	// MaxUses is the number of workers that may join. Only for the role worker. Default: 1.
	MaxUses *int `json:"max_uses,omitempty" jsonschema:"minimum=1,maximum=10000"`
	// NeedsApproval requires that an operator approves each worker that joins.
	NeedsApproval bool `json:"needs_approval,omitempty"`
}

// TokenLife is the life of a token for which none is given.
const TokenLife = 90 * 24 * time.Hour

// JoinLife is the default lifetime of a token for workers.
const JoinLife = time.Hour

// Life is how long the token is valid.
func (r CreateTokenRequest) Life() time.Duration {
	switch {
	case r.ExpiresInSeconds == nil && r.Role == hodei.RoleWorker:
		return JoinLife
	case r.ExpiresInSeconds == nil:
		return TokenLife
	}
	return time.Duration(*r.ExpiresInSeconds * float64(time.Second))
}

// CreatedToken is a new token with its text.
type CreatedToken struct {
	hodei.Token
	// Text is shown this once.
	Text string `json:"token"`
}

// ListTokensRequest lists tokens.
type ListTokensRequest struct {
	Page
}

// ListWorkerKeysRequest lists the workers that have joined.
type ListWorkerKeysRequest struct {
	Page
}

// ApproveWorkerRequest names a worker that has joined.
type ApproveWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// RevokeWorkerRequest names a worker that has joined.
type RevokeWorkerRequest struct {
	ID hodei.WorkerID `json:"id" in:"path"`
}

// ListAuditRequest lists the audit log.
type ListAuditRequest struct {
	// TokenID selects the requests with these tokens, and with sessions of them.
	TokenID OneOf[hodei.TokenID] `json:"token_id,omitempty" in:"query" null:"true"`
	// Name selects the requests of callers with this name.
	Name string `json:"name,omitempty" in:"query" jsonschema:"maxLength=200"`
	// Operation selects operations, such as jobs.execute.
	Operation OneOf[string] `json:"operation,omitempty" in:"query" null:"true"`
	// ResourceID selects the changes of these records, by their ids.
	ResourceID OneOf[string] `json:"resource_id,omitempty" in:"query" null:"true"`
	// Outcome is OK or the codes of errors.
	Outcome OneOf[string] `json:"outcome,omitempty" in:"query" null:"true"`
	Created
	Page
}

// DeleteTokenRequest names a token.
type DeleteTokenRequest struct {
	ID hodei.TokenID `json:"id" in:"path"`
}

// Identity is who asks, as the edge has found out.
type Identity struct {
	Kind hodei.CallerKind `json:"kind"`
	// ID is the token; null without access control.
	ID   *hodei.TokenID `json:"id"`
	Name string         `json:"name"`
	Role hodei.Role     `json:"role"`
	// Pipelines limits the caller to these pipelines; null without a limit.
	Pipelines []hodei.PipelineID `json:"pipelines" null:"true"`
}

// IdentityOf is the caller as it is shown. Without access control everything is allowed.
func IdentityOf(c hodei.Caller, known bool) Identity {
	if !known {
		return Identity{Kind: hodei.CallerLocal, Name: "local", Role: hodei.Admin}
	}
	return Identity{Kind: c.Kind, ID: c.ID, Name: c.Name, Role: c.Role, Pipelines: c.Pipelines}
}

// AuthenticateRequest has the SHA-256 of a secret, never the secret.
type AuthenticateRequest struct {
	Hash []byte `json:"hash"`
	// Session means that the secret is that of a session.
	Session bool `json:"session,omitempty"`
	// From is the address of the client.
	From string `json:"from,omitempty"`
}

// Authenticated is a caller, and when it must prove itself again.
type Authenticated struct {
	Caller hodei.Caller `json:"caller"`
	// ExpiresAt is when the token or the session ends; null if it never does.
	ExpiresAt *time.Time `json:"expires_at"`
}

// CreateSessionRequest has the hash of a token or of a sign-in link, or a user, and the hash of
// the new session's secret, which the edge makes.
type CreateSessionRequest struct {
	Hash []byte `json:"hash,omitempty"`
	Link bool   `json:"link,omitempty"`
	// User has signed in with an OIDC provider. It replaces the hash.
	User    *SignedIn `json:"user,omitempty"`
	Session []byte    `json:"session"`
	From    string    `json:"from,omitempty"`
}

// SignedIn is a person whom an OIDC provider has authenticated.
type SignedIn struct {
	// Subject is the issuer, a space and the subject at the issuer.
	Subject string     `json:"subject"`
	Name    string     `json:"name"`
	Role    hodei.Role `json:"role"`
}

// SignInWays is the reply of GET /session: the ways to sign in to the console.
type SignInWays struct {
	Token bool `json:"token"`
	OIDC  bool `json:"oidc"`
}

// DeleteSessionRequest has the hash of a session's secret.
type DeleteSessionRequest struct {
	Session []byte `json:"session"`
}

// SignInRequest is the body of POST /session.
type SignInRequest struct {
	// Token is that of a person, or of a sign-in link.
	Token string `json:"token"`
}
