package workermanager

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// errNoKey is the error of an instance without a key file.
var errNoKey = hodei.Errorf(hodei.Unavailable, "This worker manager has no key for secrets: start it with --secrets-key FILE")

// setSecret encrypts a value and records it. The same value again is no new version, so
// that a request may be repeated.
func (m *Manager) setSecret(ctx context.Context, req schemas.SetSecretRequest) (hodei.Secret, error) {
	keys := m.cfg.Secrets
	if keys == nil {
		return hodei.Secret{}, errNoKey
	}
	if err := hodei.CheckSecret(req.Value); err != nil {
		return hodei.Secret{}, err
	}
	pipeline, err := m.scope(ctx, req.PipelineID)
	if err != nil {
		return hodei.Secret{}, err
	}
	return m.db.SetSecret(ctx, req.Name, pipeline, func(s postgres.Sealed) (*postgres.Sealed, error) {
		if now, err := open(keys, s); err == nil && s.Sealed != nil && bytes.Equal(now, []byte(req.Value)) {
			return nil, nil
		}
		s.Version++
		s.KeyID, s.Sealed = new(keys.Current()), keys.Seal([]byte(req.Value), s.Associated())
		return &s, nil
	})
}

func (m *Manager) listSecrets(ctx context.Context, req schemas.ListSecretsRequest) (schemas.List[hodei.Secret], error) {
	pipeline, err := m.scope(ctx, req.PipelineID)
	if err != nil {
		return schemas.List[hodei.Secret]{}, err
	}
	items, err := m.db.ListSecrets(ctx, pipeline)
	return schemas.List[hodei.Secret]{Items: append([]hodei.Secret{}, items...)}, err
}

func (m *Manager) deleteSecret(ctx context.Context, req schemas.DeleteSecretRequest) (schemas.Empty, error) {
	pipeline, err := m.scope(ctx, req.PipelineID)
	if err != nil {
		return schemas.Empty{}, err
	}
	return schemas.Empty{}, m.db.DeleteSecret(ctx, req.Name, pipeline)
}

// rotateSecrets encrypts with the first key what another key has encrypted.
func (m *Manager) rotateSecrets(ctx context.Context, _ schemas.Empty) (schemas.RotatedSecrets, error) {
	keys := m.cfg.Secrets
	if keys == nil {
		return schemas.RotatedSecrets{}, errNoKey
	}
	out := schemas.RotatedSecrets{Unreadable: []string{}}
	var err error
	out.Rotated, err = m.db.RotateSecrets(ctx, keys.Current(), func(s postgres.Sealed) []byte {
		value, err := open(keys, s)
		if err != nil {
			m.log.ErrorContext(ctx, "secret not decrypted", "secret", s.Name, "pipeline_id", s.PipelineID, "err", err)
			out.Unreadable = append(out.Unreadable, s.Name)
			return nil
		}
		return keys.Seal(value, s.Associated())
	})
	return out, err
}

// verifySecret verifies a proof, so that no other service needs the value. It answers yes or
// no: who asks again and again learns no more than by posting to the hook.
func (m *Manager) verifySecret(ctx context.Context, req schemas.VerifySecretRequest) (schemas.VerifiedSecret, error) {
	if m.cfg.Secrets == nil {
		return schemas.VerifiedSecret{}, errNoKey
	}
	found, err := m.db.FindSecret(ctx, req.PipelineID, req.Name)
	if errors.Is(err, hodei.NotFound) {
		return schemas.VerifiedSecret{Issue: "there is no secret " + req.Name}, nil
	} else if err != nil {
		return schemas.VerifiedSecret{}, err
	}
	value, err := open(m.cfg.Secrets, found)
	if err != nil {
		m.log.ErrorContext(ctx, "secret not decrypted", "secret", found.Name, "pipeline_id", found.PipelineID, "err", err)
		return schemas.VerifiedSecret{Issue: "the secret " + req.Name + " cannot be decrypted: set it again, or add its key to the key file"}, nil
	}
	if !proves(req, value) {
		return schemas.VerifiedSecret{Issue: "the signature or token is not that of the secret " + req.Name}, nil
	}
	return schemas.VerifiedSecret{}, nil
}

// proves compares in constant time.
func proves(req schemas.VerifySecretRequest, value []byte) bool {
	if req.Token != "" {
		given, want := sha256.Sum256([]byte(req.Token)), sha256.Sum256(value)
		return hmac.Equal(given[:], want[:])
	}
	// The form in which Standard Webhooks and GitLab show their keys.
	if text, ok := strings.CutPrefix(string(value), "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			value = key
		}
	}
	mac := hmac.New(sha256.New, value)
	mac.Write(req.Data)
	want, ok := mac.Sum(nil), false
	for _, given := range req.Signatures {
		ok = hmac.Equal(given, want) || ok
	}
	return ok
}

// scope is the pipeline of a secret, nil for all pipelines.
func (m *Manager) scope(ctx context.Context, ref *hodei.PipelineRef) (*hodei.PipelineID, error) {
	if ref == nil {
		return nil, nil
	}
	id, err := m.db.PipelineID(ctx, *ref)
	return &id, err
}

func open(keys *seal.Keys, s postgres.Sealed) ([]byte, error) {
	if s.KeyID == nil {
		return nil, seal.ErrNoKey
	}
	return keys.Open(*s.KeyID, s.Sealed, s.Associated())
}

// addSecrets adds to an offer the values of the secrets that the execution names,
// encrypted to the worker, or the reason why there are none. After an error the offer
// must not be sent.
func (m *Manager) addSecrets(ctx context.Context, offer *schemas.ExecutionRequest, e hodei.Execution, w hodei.Availability) error {
	if len(e.Secrets) == 0 {
		return nil
	}
	if w.SealKey == "" {
		return hodei.Errorf(hodei.Rejected, "Worker has no key for secrets")
	}
	names := make([]string, len(e.Secrets))
	for i, s := range e.Secrets {
		names[i] = s.Name
	}
	found, err := m.db.UseSecrets(ctx, e.ID, e.PipelineID, names)
	if err != nil {
		return err
	}
	values, err := m.openAll(names, found)
	if err != nil {
		offer.NoSecrets = err.Error()
		m.log.WarnContext(ctx, "execution without its secrets", "execution_id", e.ID, "err", err)
		return nil
	}
	data, err := m.seal.Seal(w.SealKey, e.ID, values)
	if err != nil {
		return err
	}
	offer.Sealed = &schemas.SealedSecrets{From: m.seal.Public(), Data: data}
	return nil
}

// openAll returns the values by name. Its errors are for users.
func (m *Manager) openAll(names []string, found []postgres.Sealed) (map[string]string, error) {
	values, size := map[string]string{}, 0
	for _, s := range found {
		if m.cfg.Secrets == nil {
			return nil, errors.New("the worker manager has no key for secrets: start it with --secrets-key FILE")
		}
		value, err := open(m.cfg.Secrets, s)
		if err != nil {
			return nil, fmt.Errorf("the secret %s cannot be decrypted: set it again, or add its key to the key file", s.Name)
		}
		values[s.Name] = string(value)
		size += len(value)
	}
	for _, name := range names {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("there is no secret %s: set it with `hodei secret set %s`", name, name)
		}
	}
	if size > hodei.MaxSecrets {
		return nil, fmt.Errorf("the secrets have %d KiB together; at most %d KiB are allowed", size>>10, hodei.MaxSecrets>>10)
	}
	return values, nil
}
