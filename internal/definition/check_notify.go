package definition

import (
	"cmp"
	"net/mail"
	"net/url"
	"strings"

	"github.com/hodei-jobs/hodei"
)

func (c *checker) notify(path string, n hodei.NotifySpec) {
	count := 0
	for _, given := range []bool{n.Webhook != "", n.Slack != "", len(n.Email) > 0, n.CommitStatus != ""} {
		if given {
			count++
		}
	}
	if count != 1 {
		c.add(path, "exactly one of webhook, slack, email and commit_status is required")
		return
	}
	if n.CommitStatus != "" && n.Secret == "" {
		c.add(path, "commit_status needs a secret that holds the token")
	}
	if n.CommitStatus != "" && n.Repository == "" && c.def.Source == nil {
		c.add(path, "commit_status needs a repository, such as https://github.com/owner/name")
	}
	if n.CommitStatus == "" && n.Repository != "" {
		c.add(under(path, "repository"), "only a commit_status has a repository")
	}
	if n.Secret != "" && n.Webhook == "" && n.CommitStatus == "" {
		c.add(under(path, "secret"), "only a webhook and a commit_status use a secret")
	}
	fields := map[hodei.NotifyKind]string{hodei.NotifyWebhook: "webhook", hodei.NotifySlack: "slack"}
	for i, target := range n.Targets() {
		if target.Kind.OfCommit() && target.Address == "" { // its default is the repository of the source
			continue
		}
		field := under(path, cmp.Or(fields[target.Kind], "repository"))
		if target.Kind == hodei.NotifyEmail {
			field = at(under(path, "email"), i)
		}
		if issue := targetIssue(target); issue != "" {
			c.add(field, "%s", issue)
		}
		noReferences(c, field, target.Address)
	}
}

// targetIssue returns the problem of the address; "" if it is valid.
func targetIssue(t hodei.NotifyTarget) string {
	if t.Kind == hodei.NotifyEmail {
		if a, err := mail.ParseAddress(t.Address); err != nil || a.Name != "" || a.Address != t.Address {
			return "an address such as team@example.com is required"
		}
		return ""
	}
	u, err := url.Parse(t.Address)
	if t.Kind.OfCommit() && err == nil && !strings.Contains(strings.Trim(u.Path, "/"), "/") {
		return "the address of a repository such as https://example.com/owner/name is required"
	}
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "an address such as https://example.com/path is required"
	case u.User != nil:
		return "an address with a user or a password is not allowed"
	}
	return ""
}
