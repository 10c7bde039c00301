package access

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) createToken(ctx context.Context, req schemas.CreateTokenRequest) (schemas.CreatedToken, error) {
	if err := checkUses(req); err != nil {
		return schemas.CreatedToken{}, err
	}
	draft := hodei.Token{Name: req.Name, Role: req.Role, UsesLeft: req.MaxUses, NeedsApproval: req.NeedsApproval}
	if req.Role == hodei.RoleWorker && req.MaxUses == nil {
		once := 1
		draft.UsesLeft = &once
	}
	draft.CreatedBy = hodei.CallerName(ctx)
	expires := time.Now().Add(req.Life())
	draft.ExpiresAt = &expires
	for _, ref := range req.Pipelines {
		id, err := s.db.PipelineOf(ctx, ref.Noun(), string(ref))
		if errors.Is(err, hodei.NotFound) {
			err = ref.Unknown("pipelines")
		}
		if err != nil {
			return schemas.CreatedToken{}, err
		}
		draft.Pipelines = append(draft.Pipelines, id)
	}
	return NewToken(ctx, s.db, draft)
}

// checkUses refuses the fields that only tokens for workers can have, and for these tokens a limit
// to pipelines.
func checkUses(req schemas.CreateTokenRequest) error {
	switch forWorkers := req.Role == hodei.RoleWorker; {
	case forWorkers && len(req.Pipelines) > 0:
		return hodei.InvalidField("pipelines", "a token for workers has no limit to pipelines")
	case !forWorkers && req.MaxUses != nil:
		return hodei.InvalidField("max_uses", "only for the role worker")
	case !forWorkers && req.NeedsApproval:
		return hodei.InvalidField("needs_approval", "only for the role worker")
	}
	return nil
}

// NewToken makes and records a token.
func NewToken(ctx context.Context, db *postgres.DB, draft hodei.Token) (schemas.CreatedToken, error) {
	text := token.New(token.Person)
	if draft.Role == hodei.RoleWorker {
		text = token.New(token.Join)
	}
	_, hash, err := token.Parse(text)
	if err != nil {
		return schemas.CreatedToken{}, err
	}
	t, err := db.CreateToken(ctx, draft, hash[:])
	return schemas.CreatedToken{Token: t, Text: text}, err
}

func (s *Service) listTokens(ctx context.Context, req schemas.ListTokensRequest) (schemas.List[hodei.Token], error) {
	items, next, err := s.db.ListTokens(ctx, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Token]{Items: items, NextCursor: next}, err
}

func (s *Service) deleteToken(ctx context.Context, req schemas.DeleteTokenRequest) (schemas.Empty, error) {
	err := s.db.DeleteToken(ctx, req.ID)
	if err == nil {
		s.changed(ctx)
		s.log.InfoContext(ctx, "token revoked", "token_id", req.ID)
	}
	return schemas.Empty{}, err
}

func (s *Service) authenticate(ctx context.Context, req schemas.AuthenticateRequest) (schemas.Authenticated, error) {
	if req.Session {
		t, ends, err := s.db.SessionByHash(ctx, req.Hash)
		if err != nil {
			return schemas.Authenticated{}, unknown(err, "The session has ended: sign in again") // as every session does
		}
		return schemas.Authenticated{Caller: callerOf(t, hodei.CallerSession, req.From), ExpiresAt: &ends}, nil
	}
	t, err := s.valid(ctx, req.Hash)
	if err != nil {
		return schemas.Authenticated{}, s.refused(ctx, schemas.Authenticate.Op, t, req.From, err)
	}
	return schemas.Authenticated{Caller: callerOf(t, hodei.CallerToken, req.From), ExpiresAt: t.ExpiresAt}, nil
}

// valid returns the token with this hash unless it has expired.
func (s *Service) valid(ctx context.Context, hash []byte) (hodei.Token, error) {
	t, err := s.db.TokenByHash(ctx, hash)
	if err != nil {
		return t, unknown(err, "The token is not known: it was revoked, or belongs to another system")
	}
	if t.Role == hodei.RoleWorker {
		return t, hodei.Errorf(hodei.Unauthenticated, "The token lets workers join, and nothing else")
	}
	if t.ExpiresAt != nil && !time.Now().Before(*t.ExpiresAt) {
		return t, expired(*t.ExpiresAt)
	}
	return t, nil
}

func (s *Service) createSession(ctx context.Context, req schemas.CreateSessionRequest) (schemas.Authenticated, error) {
	var t hodei.Token
	var err error
	switch {
	case req.User != nil:
		t, err = s.tokenFor(ctx, *req.User)
	case req.Link:
		t, err = s.db.UseLink(ctx, req.Hash)
		err = unknown(err, "The sign-in link was used or is too old: `hodei up` prints a new one, or sign in with a token")
	default:
		t, err = s.valid(ctx, req.Hash)
	}
	if err != nil {
		return schemas.Authenticated{}, s.refused(ctx, schemas.CreateSession.Op, t, req.From, err)
	}
	ends, err := s.db.CreateSession(ctx, t.ID, req.Session, false)
	if err != nil {
		return schemas.Authenticated{}, unknown(err, "The token is not valid any more")
	}
	caller := callerOf(t, hodei.CallerSession, req.From)
	s.write(ctx, caller, schemas.CreateSession.Op, hodei.AuditOK)
	return schemas.Authenticated{Caller: caller, ExpiresAt: &ends}, nil
}

// tokenFor makes the token of a person who has signed in elsewhere. Its text does not exist, so
// nothing but the session has its rights, and revoking it ends the session.
func (s *Service) tokenFor(ctx context.Context, user schemas.SignedIn) (hodei.Token, error) {
	var hash token.Hash
	_, _ = rand.Read(hash[:]) // never fails
	expires := time.Now().Add(postgres.SessionLife)
	return s.db.CreateToken(ctx, hodei.Token{Name: user.Name, Role: user.Role, Subject: &user.Subject, ExpiresAt: &expires}, hash[:])
}

func (s *Service) deleteSession(ctx context.Context, req schemas.DeleteSessionRequest) (schemas.Empty, error) {
	err := s.db.DeleteSession(ctx, req.Session)
	if err == nil {
		s.changed(ctx)
	}
	return schemas.Empty{}, err
}
