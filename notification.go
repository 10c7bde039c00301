package hodei

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Notification is a message about a change of a run to one target, with the state of its
// delivery.
type Notification struct {
	// ID is the same in every attempt, so a receiver can recognize repeats.
	ID         NotificationID `json:"id"`
	PipelineID PipelineID     `json:"pipeline_id"`
	// RunID is null for a test.
	RunID *RunID      `json:"run_id"`
	Event NotifyEvent `json:"event"`
	Kind  NotifyKind  `json:"kind"`
	// Target is the address without parts that may be secret. For a webhook without a signature
	// that is everything after the host.
	Target string             `json:"target"`
	Status NotificationStatus `json:"status"`
	// Attempts is the number of attempts since the last redelivery.
	Attempts int `json:"attempts"`
	// Error is why the last attempt failed.
	Error       *string    `json:"error"`
	CreatedAt   time.Time  `json:"created_at"`
	AttemptedAt *time.Time `json:"attempted_at"`
	// NextAt is when the next attempt is due, unless an earlier notification to the same target
	// is still pending; null after the end.
	NextAt *time.Time `json:"next_at"`
	// CompletedAt is when the notification was delivered or given up.
	CompletedAt *time.Time `json:"completed_at"`
}

// NotificationStatus is the state of a notification.
type NotificationStatus string

const (
	NotificationPending   NotificationStatus = "PENDING"   // not delivered yet
	NotificationDelivered NotificationStatus = "DELIVERED" // its target has accepted it
	NotificationFailed    NotificationStatus = "FAILED"    // given up: the target refused it permanently, or a day has passed
)

// NotificationTransitions also lead from an end back to PENDING, for a redelivery.
var NotificationTransitions = Transitions[NotificationStatus]{
	NotificationPending:   {NotificationDelivered, NotificationFailed},
	NotificationDelivered: {NotificationPending},
	NotificationFailed:    {NotificationPending},
}

// NotifyEvent is a change of a run that can be announced.
type NotifyEvent string

const (
	NotifyStarted   NotifyEvent = "started"
	NotifyCompleted NotifyEvent = "completed"
	NotifyFailed    NotifyEvent = "failed"    // or timed out
	NotifyRecovered NotifyEvent = "recovered" // completed, after the run before had failed
	NotifyCancelled NotifyEvent = "cancelled"
	NotifyBlocked   NotifyEvent = "blocked" // waits for an approval
	NotifyTest      NotifyEvent = "test"    // no change: a user tries the target
)

// NotifyKind is the kind of a target.
type NotifyKind string

const (
	NotifyWebhook NotifyKind = "webhook"
	NotifySlack   NotifyKind = "slack"
	NotifyEmail   NotifyKind = "email"
	// Statuses of commits.
	NotifyGitHub NotifyKind = "github"
	NotifyGitea  NotifyKind = "gitea"
	NotifyGitLab NotifyKind = "gitlab"
)

// OfCommit reports whether the kind sets the status of a commit.
func (k NotifyKind) OfCommit() bool {
	return k == NotifyGitHub || k == NotifyGitea || k == NotifyGitLab
}

// NotifyTarget is one address that messages go to.
type NotifyTarget struct {
	Kind    NotifyKind
	Address string
	// Secret is the name of the secret that signs the message or holds the token; "" for none.
	Secret string
	// Commit is the commit that gets a status; "" for other kinds.
	Commit string
}

// Targets returns the targets of n. Each e-mail address is a separate target, so a refused
// address does not affect the others.
func (n NotifySpec) Targets() []NotifyTarget {
	switch {
	case n.Webhook != "":
		return []NotifyTarget{{Kind: NotifyWebhook, Address: n.Webhook, Secret: n.Secret}}
	case n.Slack != "":
		return []NotifyTarget{{Kind: NotifySlack, Address: n.Slack}}
	case n.CommitStatus != "":
		return []NotifyTarget{{Kind: NotifyKind(n.CommitStatus), Address: n.Repository, Secret: n.Secret}}
	}
	var all []NotifyTarget
	for _, address := range n.Email {
		all = append(all, NotifyTarget{Kind: NotifyEmail, Address: address})
	}
	return all
}

// Notified returns the targets of the settings. A commit status without a repository uses
// the repository of the source.
func (s Settings) Notified() []NotifySpec {
	all := slices.Clone(s.Notify)
	for i := range all {
		if all[i].CommitStatus != "" && all[i].Repository == "" && s.Source != nil {
			all[i].Repository = s.Source.Git
		}
	}
	return all
}

// Wants reports whether n names the event.
func (n NotifySpec) Wants(e NotifyEvent) bool {
	if len(n.Events) == 0 && n.CommitStatus != "" {
		return e != NotifyRecovered // the status is that of completed
	}
	if len(n.Events) == 0 {
		return e == NotifyCompleted || e == NotifyFailed
	}
	return slices.Contains(n.Events, string(e))
}

// Queue identifies the queue of the target, whose messages are delivered in order. Each commit
// has its own queue, so a commit that the repository lacks does not delay others.
func (t NotifyTarget) Queue() string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(t.Kind) + " " + t.Address + " " + t.Commit)))
	return hex.EncodeToString(sum[:16])
}

// Shown returns the address without parts that may be secret. The address of a Slack webhook,
// or of a webhook without a signature, is enough to send messages there.
func (t NotifyTarget) Shown() string {
	scheme, rest, ok := strings.Cut(t.Address, "://")
	if t.Kind == NotifyEmail || !ok {
		return t.Address
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	if t.Kind == NotifySlack || t.Secret == "" {
		host, _, _ := strings.Cut(rest, "/")
		rest = host + "/…"
	}
	return scheme + "://" + rest
}

// Notice is the content of a notification, and the data of a webhook.
type Notice struct {
	// Run is the run after the change, without its jobs; null for a test.
	Run *Run `json:"run"`
	// Pipeline is the slug or the id of the pipeline.
	Pipeline string `json:"pipeline"`
	// Why explains the outcome to people; it may be empty.
	Why string `json:"why,omitempty"`
	// Job is the key of the job that waits for an approval. Message is the question of its gate.
	Job     string `json:"job,omitempty"`
	Message string `json:"message,omitempty"`
	// URL is the page of the run in the console.
	URL string `json:"url,omitempty"`
}

// NoticeOf returns the notice about a run, and about the job that waits for an approval, if any.
func NoticeOf(r Run, blocked *RunJob) Notice {
	n := Notice{Run: &r, Pipeline: r.PipelineID.String(), Why: r.Why()}
	if r.Pipeline != nil {
		n.Pipeline = *r.Pipeline
	}
	if blocked != nil {
		if n.Job = blocked.Key; blocked.Approval != nil {
			n.Message = blocked.Approval.Message
		}
	}
	if r.StartedAt != nil && r.CompletedAt != nil {
		seconds := r.CompletedAt.Sub(*r.StartedAt).Seconds()
		r.DurationSeconds = &seconds
	}
	r.Jobs = nil
	return n
}
