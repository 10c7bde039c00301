package access

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// admitWorker returns the user for the holder of a key: a worker that has joined, or one that
// joins now, with its id as the user name and a token for workers as the password.
func (s *Service) admitWorker(ctx context.Context, asked *jwt.AuthorizationRequestClaims) (*jwt.UserClaims, error) {
	key := asked.ConnectOptions.Nkey
	if err := checkSignature(asked); err != nil {
		return nil, err
	}
	known, err := s.db.WorkerKey(ctx, key)
	if errors.Is(err, hodei.NotFound) {
		known, err = s.join(ctx, asked)
	}
	switch {
	case err != nil:
		return nil, err
	case known.RevokedAt != nil:
		return nil, hodei.Errorf(hodei.Unauthenticated, "The worker is revoked")
	case known.ApprovedAt == nil:
		return nil, hodei.Errorf(hodei.Unauthenticated, "The worker waits for its approval: hodei worker approve %s", known.WorkerID)
	}
	user := newUser(asked, schemas.ProgramsAccount, permit.Worker(known.WorkerID))
	user.Name = known.WorkerID.String()
	return user, nil
}

// checkSignature returns an error unless the connection has the seed of its key.
func checkSignature(asked *jwt.AuthorizationRequestClaims) error {
	refused := hodei.Errorf(hodei.Unauthenticated, "The signature is not that of the key")
	key, err := nkeys.FromPublicKey(asked.ConnectOptions.Nkey)
	if err != nil || !nkeys.IsValidPublicUserKey(asked.ConnectOptions.Nkey) {
		return refused
	}
	signature, err := base64.RawURLEncoding.DecodeString(asked.ConnectOptions.SignedNonce)
	if err != nil {
		if signature, err = base64.StdEncoding.DecodeString(asked.ConnectOptions.SignedNonce); err != nil {
			return refused
		}
	}
	if nonce := asked.ClientInformation.Nonce; nonce == "" || key.Verify([]byte(nonce), signature) != nil {
		return refused
	}
	return nil
}

// join records a new worker. The audit log has it as a request with the token.
func (s *Service) join(ctx context.Context, asked *jwt.AuthorizationRequestClaims) (k hodei.WorkerKey, err error) {
	kind, hash, err := token.Parse(asked.ConnectOptions.Password)
	if err != nil || kind != token.Join {
		return k, hodei.Errorf(hodei.Unauthenticated, "The worker has not joined, and its password is not a token for workers")
	}
	draft := hodei.WorkerKey{PublicKey: asked.ConnectOptions.Nkey, Name: asked.ConnectOptions.Name, Address: asked.ClientInformation.Host}
	if err := draft.WorkerID.UnmarshalText([]byte(asked.ConnectOptions.Username)); err != nil {
		return k, hodei.Errorf(hodei.Unauthenticated, "The user name of a worker that joins must be its id")
	}
	t, err := s.db.TokenByHash(ctx, hash[:])
	if err != nil {
		return k, unknown(err, "The token lets no worker join: it is unknown")
	}
	caller := callerOf(t, hodei.CallerToken, draft.Address)
	caller.Op = schemas.JoinWorker.Name
	k, err = s.db.AddWorkerKey(hodei.WithCaller(ctx, caller), hash[:], draft)
	if err != nil {
		return k, err
	}
	s.log.InfoContext(ctx, "worker joined", "worker_id", k.WorkerID, "token_id", k.TokenID, "approved", k.ApprovedAt != nil)
	return k, nil
}

func (s *Service) listWorkerKeys(ctx context.Context, req schemas.ListWorkerKeysRequest) (schemas.List[hodei.WorkerKey], error) {
	items, next, err := s.db.ListWorkerKeys(ctx, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.WorkerKey]{Items: items, NextCursor: next}, err
}

func (s *Service) approveWorker(ctx context.Context, req schemas.ApproveWorkerRequest) (hodei.WorkerKey, error) {
	return s.db.ApproveWorker(ctx, req.ID, hodei.CallerName(ctx))
}

func (s *Service) revokeWorker(ctx context.Context, req schemas.RevokeWorkerRequest) (hodei.WorkerKey, error) {
	k, err := s.db.RevokeWorker(ctx, req.ID)
	if err == nil {
		s.changed(ctx)
		s.log.InfoContext(ctx, "worker revoked", "worker_id", req.ID)
	}
	return k, err
}
