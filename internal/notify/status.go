package notify

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// describedAtMost is the longest description that each system accepts, in characters.
var describedAtMost = map[hodei.NotifyKind]int{hodei.NotifyGitHub: 140, hodei.NotifyGitea: 255, hodei.NotifyGitLab: 255}

// status sets the status of the commit of a run. A test only reads the repository, to check the
// address and the token.
func (s *Sender) status(ctx context.Context, m Message) error {
	api, err := repositoryOf(m.Kind, m.Address)
	if err != nil {
		return err
	}
	header := http.Header{}
	token := strings.TrimSpace(string(m.Key))
	switch m.Kind {
	case hodei.NotifyGitHub:
		header.Set("Authorization", "Bearer "+token)
		header.Set("Accept", "application/vnd.github+json")
		header.Set("X-GitHub-Api-Version", "2022-11-28")
	case hodei.NotifyGitea:
		header.Set("Authorization", "token "+token)
	case hodei.NotifyGitLab:
		header.Set("PRIVATE-TOKEN", token)
	}
	if m.Run == nil {
		status, _, err := s.request(ctx, http.MethodGet, api, nil, header)
		if err != nil {
			return err
		}
		return refusal(status)
	}
	if m.Run.Commit == nil {
		return fmt.Errorf("%w: the run has no commit", ErrFinal)
	}
	body, err := statusOf(m)
	if err != nil {
		return err
	}
	status, answer, err := s.request(ctx, http.MethodPost, api+"/statuses/"+url.PathEscape(*m.Run.Commit), body, header)
	switch {
	case err != nil:
		return err
	case m.Kind == hodei.NotifyGitLab && status == http.StatusBadRequest && bytes.Contains(answer, []byte("Cannot transition status")):
		return nil // the commit has this state or a later one already: the message is a repeat
	case status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: the target answered 422: the repository does not have the commit %s, or accepts no more statuses for it", ErrFinal, *m.Run.Commit)
	}
	return refusal(status)
}

// repositoryOf returns the address of a repository in the API of its system.
func repositoryOf(kind hodei.NotifyKind, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%w: the address of the repository is not valid", ErrFinal)
	}
	path := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	parts := strings.Split(path, "/")
	if len(parts) < 2 || kind == hodei.NotifyGitHub && len(parts) != 2 {
		return "", fmt.Errorf("%w: the address of the repository has no owner and name", ErrFinal)
	}
	base := u.Scheme + "://" + u.Host
	name := url.PathEscape(parts[len(parts)-2]) + "/" + url.PathEscape(parts[len(parts)-1])
	switch kind {
	case hodei.NotifyGitLab: // groups contain groups
		return base + "/api/v4/projects/" + url.PathEscape(path), nil
	case hodei.NotifyGitHub:
		if u.Host == "github.com" {
			return "https://api.github.com/repos/" + name, nil
		}
		return base + "/api/v3/repos/" + name, nil
	}
	for _, prefix := range parts[:len(parts)-2] { // Gitea may be served below a path
		base += "/" + url.PathEscape(prefix)
	}
	return base + "/api/v1/repos/" + name, nil
}

// statusOf returns the body of the request.
func statusOf(m Message) ([]byte, error) {
	state := stateOf(m)
	body := map[string]string{"state": state, "description": hodei.Clip(describe(m), describedAtMost[m.Kind]), "context": "hodei/" + m.Pipeline}
	if m.URL != "" {
		body["target_url"] = m.URL
	}
	return hodei.JSON(body)
}

// stateOf returns the state of the run as the system names it.
func stateOf(m Message) string {
	gitlab := m.Kind == hodei.NotifyGitLab
	switch m.Event {
	case hodei.NotifyCompleted, hodei.NotifyRecovered:
		return "success"
	case hodei.NotifyFailed:
		if gitlab {
			return "failed"
		}
		return "failure"
	case hodei.NotifyCancelled:
		if gitlab {
			return "canceled"
		}
		return "error"
	}
	if gitlab {
		return "running"
	}
	return "pending"
}

// describe returns the state of the run as text.
func describe(m Message) string {
	name := fmt.Sprintf("#%d ", m.Run.Number)
	switch {
	case m.Event == hodei.NotifyBlocked:
		return name + "waits for an approval: " + m.Job
	case m.Event == hodei.NotifyStarted:
		return name + "is running"
	case m.Event == hodei.NotifyCancelled:
		return name + "was cancelled"
	case m.Event == hodei.NotifyFailed && m.Why != "":
		return name + m.Why
	case m.Event == hodei.NotifyFailed && m.Run.Status == hodei.RunTimedOut:
		return name + "timed out"
	case m.Event == hodei.NotifyFailed:
		return name + "failed"
	}
	return name + "completed"
}
