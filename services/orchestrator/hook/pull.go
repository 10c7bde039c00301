package hook

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// pullRequest is a pull request of GitHub or Gitea.
type pullRequest struct {
	Action string
	Number int
	Pull   struct {
		Head, Base side
	} `json:"pull_request"`
	Sender struct{ Login string }
}

type side struct {
	Ref, SHA string
	// Repo is null if the fork has been deleted.
	Repo *struct{ ID int64 }
}

// fromOutside reports whether the commits of the head come from outside of the repository of base. In
// the AGit flow of Gitea and Forgejo, a push to refs/for/main opens a pull request. It needs only
// the right to read, and the head has the repository of base, but no branch: its ref is
// refs/pull/7/head. Otherwise the ref of a head is the bare name of its branch.
func (head side) fromOutside(base side) bool {
	return head.Repo == nil || base.Repo == nil || head.Repo.ID != base.Repo.ID || strings.HasPrefix(head.Ref, "refs/")
}

// begun are the actions that add commits to a pull request.
var begun = []string{"opened", "reopened", "synchronize", "synchronized"}

func ofPullRequest(body []byte) (Event, error) {
	var p pullRequest
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, malformed(err)
	}
	e := Event{
		Kind: hodei.TriggerPullRequest, Ref: "refs/pull/" + strconv.Itoa(p.Number) + "/head", Commit: p.Pull.Head.SHA,
		BaseBranch: p.Pull.Base.Ref, PullRequest: strconv.Itoa(p.Number), Sender: p.Sender.Login,
		Fork: p.Pull.Head.fromOutside(p.Pull.Base),
	}
	if !slices.Contains(begun, p.Action) {
		e.Kind, e.Why = "", "a pull request starts a run when it is opened, reopened or has new commits, not when it is "+clip(p.Action)
	} else if p.Number < 1 {
		return e, hodei.InvalidField("number", "the number of the pull request is required")
	}
	return e, nil
}

// mergeRequest is a merge request of GitLab.
type mergeRequest struct {
	Kind       string `json:"object_kind"`
	User       struct{ Username string }
	Attributes struct {
		IID    int
		Action string
		// OldRev is the previous commit. An update without it adds no commits.
		OldRev     string
		Source     int64                `json:"source_project_id"`
		Target     int64                `json:"target_project_id"`
		BaseBranch string               `json:"target_branch"`
		Last       *struct{ ID string } `json:"last_commit"`
	} `json:"object_attributes"`
}

// ofGitLab reads an event of GitLab, whose body names its kind.
func ofGitLab(body []byte) (Event, error) {
	var m mergeRequest
	if err := json.Unmarshal(body, &m); err != nil {
		return Event{}, malformed(err)
	}
	switch m.Kind {
	case "push", "tag_push":
		return ofPush(body)
	case "merge_request":
	default:
		return Event{Why: nothing(m.Kind)}, nil
	}
	a := m.Attributes
	e := Event{
		Kind: hodei.TriggerPullRequest, Ref: "refs/merge-requests/" + strconv.Itoa(a.IID) + "/head", BaseBranch: a.BaseBranch,
		PullRequest: strconv.Itoa(a.IID), Sender: m.User.Username, Fork: a.Source == 0 || a.Source != a.Target,
	}
	if a.Last != nil {
		e.Commit = a.Last.ID
	}
	if a.Action != "open" && a.Action != "reopen" && (a.Action != "update" || a.OldRev == "") {
		e.Kind, e.Why = "", "a merge request starts a run when it is opened, reopened or has new commits, not at the action "+clip(a.Action)
	} else if a.IID < 1 {
		return e, hodei.InvalidField("object_attributes.iid", "the number of the merge request is required")
	}
	return e, nil
}
