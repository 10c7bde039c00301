package hook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// Event is the content of a message.
type Event struct {
	// Kind is the trigger of the run; "" for an event that starts no run. Why is the reason.
	Kind hodei.TriggerKind
	Why  string
	// Ref is the full name, such as refs/heads/main, refs/tags/v1 or refs/pull/7/head.
	Ref, Commit string
	// Repository is the full name of the repository that was pushed to, such as shop/web.
	Repository              string
	BaseBranch, PullRequest string
	Fork                    bool
	// Sender names who caused the event.
	Sender string
	// Changes are the paths that a push changed; nil if the message does not list all.
	Changes []string
	// Params are the values that the sender of a generic hook gives.
	Params map[string]hodei.Scalar
}

const (
	// maxChanges and maxChanged bound the number and the size of the paths of a push. Beyond
	// them, the changes count as unknown.
	maxChanges = 1000
	maxChanged = 64 << 10
)

var (
	commit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	zero   = regexp.MustCompile(`^0+$`)
	ref    = regexp.MustCompile(`^refs/[^\s\x00-\x20~^:?*\[\\]{1,500}$`)
)

// Parse reads the body of a message whose signature is verified. An event that starts no run is
// no error. Errors mean a body that the system never sends.
func Parse(kind, event string, body []byte) (Event, error) {
	if bytes.Contains(body, []byte(`\u0000`)) { // Postgres cannot store it
		return Event{}, hodei.InvalidField("body", "has a NUL character")
	}
	var e Event
	var err error
	switch {
	case kind == hodei.HookGeneric:
		e, err = generic(body)
	case kind == hodei.HookGitLab:
		e, err = ofGitLab(body)
	case event == "push":
		e, err = ofPush(body)
	case strings.HasPrefix(event, "pull_request"):
		e, err = ofPullRequest(body)
	default:
		return Event{Why: nothing(event)}, nil
	}
	if err != nil || e.Kind == "" {
		return e, err
	}
	return e, e.check(kind == hodei.HookGeneric)
}

func nothing(event string) string {
	if event == "ping" {
		return "a ping: the hook works"
	}
	if event == "" {
		return "an event without a name starts nothing"
	}
	return "events " + clip(event) + " start nothing"
}

// clip shortens a text of the sender that is recorded.
func clip(text string) string { return hodei.Clip(text, 100) }

// check returns an error for values that are not of the expected form.
func (e *Event) check(generic bool) error {
	e.Sender = clip(e.Sender)
	if len(e.Ref) > 1000 || !generic && !ref.MatchString(e.Ref) {
		return hodei.InvalidField("ref", "a full ref such as refs/heads/main is required")
	}
	if !generic && !commit.MatchString(e.Commit) {
		return hodei.InvalidField("commit", "a hash is required")
	}
	if len(e.BaseBranch) > 500 || len(e.PullRequest) > 20 {
		return hodei.InvalidField("pull_request", "is no pull request")
	}
	return nil
}

// generic is the body of a generic hook.
func generic(body []byte) (Event, error) {
	var m struct {
		Params map[string]hodei.Scalar `json:"params"`
		Ref    string                  `json:"ref"`
	}
	if len(bytes.TrimSpace(body)) > 0 {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&m); err != nil {
			return Event{}, malformed(err)
		}
		if dec.More() {
			return Event{}, hodei.InvalidField("body", "one object is required")
		}
	}
	return Event{Kind: hodei.TriggerHook, Ref: m.Ref, Params: m.Params}, nil
}

// push is a push of GitHub, Gitea or GitLab, with the fields of each system.
type push struct {
	Ref     string
	After   string
	Forced  bool
	Commits []struct{ Added, Modified, Removed []string }
	Head    *struct{ ID string } `json:"head_commit"`
	Sender  struct{ Login string }
	// Repository is sent by GitHub and Gitea, Project by GitLab.
	Repository struct {
		Name string `json:"full_name"`
	}
	Project struct {
		Name string `json:"path_with_namespace"`
	}
	// Total is the number of commits. The message may list only the last ones.
	Total       int     `json:"total_commits"`
	TotalGitLab int     `json:"total_commits_count"`
	Checkout    *string `json:"checkout_sha"`
	User        string  `json:"user_username"`
}

func ofPush(body []byte) (Event, error) {
	var p push
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, malformed(err)
	}
	e := Event{Kind: hodei.TriggerPush, Ref: p.Ref, Commit: p.After, Sender: p.Sender.Login, Repository: cmp.Or(p.Repository.Name, p.Project.Name)}
	if p.User != "" {
		e.Sender = p.User
	}
	if zero.MatchString(p.After) {
		return Event{Ref: p.Ref, Sender: e.Sender, Why: clip(p.Ref) + " was deleted"}, nil
	}
	switch {
	case strings.HasPrefix(p.Ref, "refs/tags/"):
		e.Kind = hodei.TriggerTag
		if p.Head != nil && p.Head.ID != "" { // the hash of an annotated tag is that of the tag
			e.Commit = p.Head.ID
		} else if p.Checkout != nil {
			e.Commit = *p.Checkout
		}
	case strings.HasPrefix(p.Ref, "refs/heads/"):
		e.Changes = p.changes()
	default:
		return Event{Ref: p.Ref, Sender: e.Sender, Why: fmt.Sprintf("the ref %q is neither a branch nor a tag", clip(p.Ref))}, nil
	}
	return e, nil
}

// changes returns the paths of all commits; nil if some may be missing.
func (p push) changes() []string {
	if p.Forced || len(p.Commits) == 0 || max(p.Total, p.TotalGitLab) > len(p.Commits) {
		return nil
	}
	seen, size := map[string]bool{}, 0
	var all []string
	for _, c := range p.Commits {
		for _, list := range [][]string{c.Added, c.Modified, c.Removed} {
			for _, path := range list {
				if seen[path] || path == "" {
					continue
				}
				seen[path] = true
				all, size = append(all, path), size+len(path)
				if len(all) > maxChanges || size > maxChanged || strings.Contains(path, "\n") {
					return nil
				}
			}
		}
	}
	return all
}

// malformed is the error for a body that cannot be decoded. It names the field, and none of
// the Go types that encoding/json names.
func malformed(err error) error {
	var wrong *json.UnmarshalTypeError
	switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
	case unknown:
		return hodei.InvalidField(clip(strings.Trim(name, `"`)), "unknown field")
	case errors.As(err, &wrong):
		return hodei.InvalidField(cmp.Or(wrong.Field, "body"), "of the wrong type: "+wrong.Value)
	}
	return hodei.InvalidField("body", "is not the JSON of this event: "+err.Error())
}
