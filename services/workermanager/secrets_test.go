package workermanager

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/schemas"
)

const secretValue = "correct horse battery staple"

// withKeys gives the manager a new key file, with the lines of others below.
func withKeys(t *testing.T, others ...string) (func(*Config), string) {
	path := filepath.Join(t.TempDir(), "key")
	_, err := seal.LoadOrMake(path)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	all := strings.Join(append([]string{string(text)}, others...), "\n")
	require.NoError(t, os.WriteFile(path, []byte(all), 0o600))
	keys, err := seal.Load(path)
	require.NoError(t, err)
	return func(c *Config) { c.Secrets = keys }, all
}

// naming creates a waiting execution that names secrets, in a pipeline if it has one.
func (b *bench) naming(pipeline *hodei.PipelineID, names ...string) hodei.Execution {
	spec := hodei.Spec{Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5, Requirements: hodei.Requirements{Capacity: 1}}
	for _, name := range names {
		spec.Secrets = append(spec.Secrets, hodei.SecretRef{Name: name})
	}
	e, err := b.db.CreateExecution(b.t.Context(), hodei.Execution{PipelineID: pipeline, Spec: spec})
	require.NoError(b.t, err)
	return e
}

// sealing makes the worker report a key.
func (h *hand) sealing() *seal.Pair {
	pair, err := seal.NewPair()
	require.NoError(h.b.t, err)
	h.reportAfter(func(a *hodei.Availability) { a.SealKey = pair.Public() })
	h.b.until("the key is known", func() bool {
		m, _ := h.b.fleet.get(h.id)
		return m.report.SealKey == pair.Public()
	})
	return pair
}

// offered assigns an execution to the worker, and returns the offer.
func (h *hand) offered(e hodei.Execution) schemas.ExecutionRequest {
	h.b.t.Helper()
	reply, err := h.assigns(e.ID)
	require.NoError(h.b.t, err)
	_, err = reply.Get(0)
	require.NoError(h.b.t, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.offers[len(h.offers)-1]
	require.Equal(h.b.t, e.ID, last.ExecutionID)
	return last
}

func TestSecretsReachTheirWorkerOnly(t *testing.T) {
	t.Parallel()
	withKey, _ := withKeys(t)
	b := start(t, withKey)
	seen, err := b.nc.SubscribeSync(">")
	require.NoError(t, err)
	p, err := b.db.CreatePipeline(t.Context(), hodei.Pipeline{Name: "p"})
	require.NoError(t, err)
	ref := hodei.RefTo(p.ID)

	first := must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: "an earlier value"})
	require.Equal(t, 1, first.Version)
	require.Equal(t, 2, must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: secretValue}).Version)
	require.Equal(t, 2, must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: secretValue}).Version, "a repeat")
	must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: "of the pipeline", PipelineID: &ref})
	must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "B", Value: "another value"})
	requests := 0
	for { // those above have the values; nothing else may
		msg, err := seen.NextMsg(0)
		if err != nil {
			break
		}
		if strings.HasSuffix(msg.Subject, "secrets.set") {
			requests++
		} else {
			require.NotContains(t, string(msg.Data), "value", msg.Subject)
		}
	}

	h := b.worker()
	pair := h.sealing()
	for _, test := range []struct {
		pipeline *hodei.PipelineID
		a        string
		versions map[string]int
	}{{nil, secretValue, map[string]int{"A": 2, "B": 1}}, {&p.ID, "of the pipeline", map[string]int{"A": 1, "B": 1}}} {
		e := b.naming(test.pipeline, "A", "B")
		offer := h.offered(e)
		require.Empty(t, offer.NoSecrets)
		values, err := pair.Open(offer.Sealed.From, offer.Sealed.Data, e.ID)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"A": test.a, "B": "another value"}, values)
		require.Equal(t, test.versions, b.execution(e.ID).SecretVersions)
	}
	for msg, err := seen.NextMsg(0); err == nil; msg, err = seen.NextMsg(0) {
		require.NotContains(t, string(msg.Data), "horse", msg.Subject)
	}

	listed := must(b, schemas.ListSecrets, schemas.ListSecretsRequest{})
	require.Len(t, listed.Items, 3)
	require.NotNil(t, listed.Items[0].UsedAt)
	text, err := json.Marshal(listed)
	require.NoError(t, err)
	require.NotContains(t, string(text), "horse")
	require.NotContains(t, b.rows(`SELECT coalesce(jsonb_agg(s)::text, '') || coalesce((SELECT jsonb_agg(k)::text FROM idempotency_keys k), '') FROM secrets s`), "horse")
	raw := b.rows(`SELECT string_agg(encode(sealed, 'escape'), ' ') FROM secrets`)
	require.NotContains(t, raw, "horse")

	must(b, schemas.DeleteSecret, schemas.DeleteSecretRequest{Name: "A"})
	_, err = ask(b, schemas.DeleteSecret, schemas.DeleteSecretRequest{Name: "A"})
	require.ErrorIs(t, err, hodei.NotFound)
	require.Equal(t, "there is no secret A: set it with `hodei secret set A`", h.offered(b.naming(nil, "A", "B")).NoSecrets)
	require.Equal(t, 3, must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: secretValue}).Version, "no version is used twice")
}

func (b *bench) rows(sql string) (text string) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	defer conn.Close(b.t.Context())
	require.NoError(b.t, conn.QueryRow(b.t.Context(), sql).Scan(&text))
	return text
}

func TestValuesThatAreNoSecrets(t *testing.T) {
	t.Parallel()
	withKey, _ := withKeys(t)
	b := start(t, withKey)
	for _, value := range []string{"", "qwert", "  qwe  ", "a\nb\nc\nd\ne", strings.Repeat("x", hodei.MaxSecret+1), "with\x00NUL"} {
		_, err := ask(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "A", Value: value})
		require.ErrorIs(t, err, hodei.Invalid, "%q", value)
		if value != "" {
			require.NotContains(t, err.Error(), value)
		}
	}
	for _, name := range []string{"", "a b", "1a", "a/b", strings.Repeat("x", 101)} {
		_, err := ask(b, schemas.SetSecret, schemas.SetSecretRequest{Name: name, Value: secretValue})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "horse")
	}
	require.Equal(t, []hodei.Secret{}, must(b, schemas.ListSecrets, schemas.ListSecretsRequest{}).Items)
}

func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	old, text := withKeys(t)
	both, _ := withKeys(t, text)
	b := start(t, both)
	with := func(keys func(*Config)) *Manager { // the same manager with other keys
		m := &Manager{db: b.db, log: b.log}
		keys(&m.cfg)
		return m
	}
	set := func(name, value string) {
		_, err := with(old).setSecret(t.Context(), schemas.SetSecretRequest{Name: name, Value: value})
		require.NoError(t, err)
	}
	set("A", secretValue)
	before := b.rows(`SELECT encode(sealed, 'hex') FROM secrets`)

	// A copy of the value in another row cannot be used.
	set("B", "to be replaced")
	require.Equal(t, "B", b.rows(`UPDATE secrets b SET sealed = a.sealed FROM secrets a WHERE a.name = 'A' AND b.name = 'B' RETURNING b.name`))

	_, err := with(func(*Config) {}).rotateSecrets(t.Context(), schemas.Empty{})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, schemas.RotatedSecrets{Rotated: 1, Unreadable: []string{"B"}}, must(b, schemas.RotateSecrets, schemas.Empty{}))
	require.Equal(t, schemas.RotatedSecrets{Unreadable: []string{"B"}}, must(b, schemas.RotateSecrets, schemas.Empty{}))
	require.NotEqual(t, before, b.rows(`SELECT encode(sealed, 'hex') FROM secrets WHERE name = 'A'`))

	h := b.worker()
	pair := h.sealing()
	e := b.naming(nil, "A")
	offer := h.offered(e)
	values, err := pair.Open(offer.Sealed.From, offer.Sealed.Data, e.ID)
	require.NoError(t, err)
	require.Equal(t, secretValue, values["A"])
	require.Contains(t, h.offered(b.naming(nil, "B")).NoSecrets, "the secret B cannot be decrypted")
}

// TestProofs: a signature with the key, in either form of it, or the value as a token.
func TestProofs(t *testing.T) {
	t.Parallel()
	sum := func(key, text string) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	text := []byte("text")
	signed := func(sums ...[]byte) schemas.VerifySecretRequest {
		return schemas.VerifySecretRequest{Attached: schemas.Attached{Data: text}, Signatures: sums}
	}
	standard := "whsec_" + base64.StdEncoding.EncodeToString([]byte("the key"))
	require.True(t, proves(signed(sum("value", "text")), []byte("value")))
	require.True(t, proves(signed([]byte{1}, sum("value", "text"), nil), []byte("value")))
	require.True(t, proves(signed(sum("the key", "text")), []byte(standard)))
	require.True(t, proves(schemas.VerifySecretRequest{Token: "value"}, []byte("value")))
	require.False(t, proves(signed(), []byte("value")))
	require.False(t, proves(signed(sum("other", "text")), []byte("value")))
	require.False(t, proves(signed(sum("value", "other")), []byte("value")))
	require.False(t, proves(signed(sum("value", "text")[:31]), []byte("value")))
	require.False(t, proves(schemas.VerifySecretRequest{Token: "valu"}, []byte("value")))
}
