package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// event is the body of a webhook, as the specification Standard Webhooks recommends.
type event struct {
	Type      string       `json:"type"`
	Timestamp time.Time    `json:"timestamp"`
	Data      hodei.Notice `json:"data"`
}

func (s *Sender) webhook(ctx context.Context, m Message) error {
	kind := "run." + string(m.Event)
	if m.Event == hodei.NotifyTest {
		kind = "test"
	}
	body, err := hodei.JSON(event{kind, m.CreatedAt, m.Notice})
	if err != nil {
		return err
	}
	header := http.Header{}
	id, at := m.ID.String(), strconv.FormatInt(m.Now.Unix(), 10)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	if m.Key != nil {
		header.Set("webhook-signature", "v1,"+sign(m.Key, id, at, body))
	}
	return s.post(ctx, m.Address, body, header)
}

// sign returns the signature of Standard Webhooks.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, signingKey(key))
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signingKey returns the key of a secret: for whsec_… the decoded base64 after the prefix,
// otherwise the secret itself.
func signingKey(secret []byte) []byte {
	if text, ok := strings.CutPrefix(string(secret), "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return secret
}
