package hook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// tolerance is the allowed difference between the time in a signature and now.
const tolerance = 5 * time.Minute

// Message is a message that was posted to a hook. The names of headers are in lower case.
type Message struct {
	Headers map[string]string
	Body    []byte
}

// Proof is what must be verified with the secret of the hook before the message is believed.
type Proof struct {
	// Signed is signed with HMAC-SHA256 by one of Signatures.
	Signed     []byte
	Signatures [][]byte
	// Token is the secret itself, for a sender that does not sign. Then Signed is nil.
	Token string

	// SenderID is the id that the sender gave to the event; nil without one.
	SenderID *string
	// Digest identifies the event if the signature does not cover the id.
	Digest []byte
	// Event is the kind of event as the sender names it.
	Event string
}

// ProofOf returns the proof of a message to a hook of the kind. Its errors are for the owner of
// the hook; the sender does not receive them.
func ProofOf(kind string, m Message, now time.Time) (Proof, error) {
	switch kind {
	case hodei.HookGitHub:
		return m.ofBody("x-hub-signature-256", "x-github-delivery", "x-github-event")
	case hodei.HookGitea:
		for _, system := range []string{"forgejo", "gitea"} {
			if m.Headers["x-"+system+"-signature"] != "" {
				return m.ofBody("x-"+system+"-signature", "x-"+system+"-delivery", "x-"+system+"-event")
			}
		}
		return Proof{}, refused("there is no header X-Gitea-Signature or X-Forgejo-Signature: give the webhook a secret")
	case hodei.HookGitLab:
		if m.Headers["webhook-signature"] == "" {
			return m.ofGitLab()
		}
		p, err := m.standard(now)
		p.Event = m.Headers["x-gitlab-event"]
		return p, err
	default:
		p, err := m.standard(now)
		p.Event = string(hodei.TriggerHook)
		return p, err
	}
}

func refused(why string) error { return hodei.Errorf(hodei.Unauthenticated, "%s", why) }

// ofBody is a signature of the body alone, in hex. The signature does not cover the id and the
// kind of the event, so the digest of the body identifies the event too. Otherwise a recorded
// message could be sent again with another id.
func (m Message) ofBody(signature, id, event string) (Proof, error) {
	text := m.Headers[signature]
	if text == "" {
		return Proof{}, refused("there is no header " + signature + ": give the webhook a secret")
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(text, "sha256="))
	if err != nil {
		return Proof{}, refused("the header " + signature + " is not hexadecimal")
	}
	digest := sha256.Sum256(m.Body)
	return Proof{Signed: m.Body, Signatures: [][]byte{sum}, SenderID: m.id(id), Digest: digest[:], Event: m.Headers[event]}, nil
}

func (m Message) ofGitLab() (Proof, error) {
	p := Proof{Token: m.Headers["x-gitlab-token"], SenderID: m.id("x-gitlab-event-uuid"), Event: m.Headers["x-gitlab-event"]}
	if p.Token == "" {
		return p, refused("there is no header X-Gitlab-Token: give the webhook a secret token")
	}
	if id := m.id("idempotency-key"); id != nil { // a repeat of the delivery has the same id
		p.SenderID = id
	}
	if p.SenderID == nil {
		digest := sha256.Sum256(m.Body)
		p.Digest = digest[:]
	}
	return p, nil
}

// standard is the signature of the specification Standard Webhooks, which covers the id, the time
// and the body.
func (m Message) standard(now time.Time) (Proof, error) {
	id, at := m.Headers["webhook-id"], m.Headers["webhook-timestamp"]
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || m.id("webhook-id") == nil {
		return Proof{}, refused("the headers webhook-id and webhook-timestamp (Unix seconds) are required")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return Proof{}, refused("webhook-timestamp differs from the time of this server by more than 5 minutes")
	}
	p := Proof{Signed: append([]byte(id+"."+at+"."), m.Body...), SenderID: &id}
	for _, one := range strings.Fields(m.Headers["webhook-signature"]) {
		if text, ok := strings.CutPrefix(one, "v1,"); ok && len(p.Signatures) < 8 {
			if sum, err := base64.StdEncoding.DecodeString(text); err == nil {
				p.Signatures = append(p.Signatures, sum)
			}
		}
	}
	if len(p.Signatures) == 0 {
		return p, refused("webhook-signature is required: v1, and the signature in base64")
	}
	return p, nil
}

// maxID bounds the id of a sender.
const maxID = 200

func (m Message) id(header string) *string {
	if id := m.Headers[header]; id != "" && len(id) <= maxID {
		return &id
	}
	return nil
}
