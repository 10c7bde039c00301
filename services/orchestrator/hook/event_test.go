package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

const head = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

func payload(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	return body
}

func TestEvents(t *testing.T) {
	push, tag, pull := hodei.TriggerPush, hodei.TriggerTag, hodei.TriggerPullRequest
	for name, c := range map[string]struct {
		kind, event string
		want        Event
	}{
		"github_push": {"github", "push", Event{
			Kind: push, Ref: "refs/heads/main", Commit: head, Sender: "octocat",
			Changes: []string{"cart/cart.go", "cart/cart_test.go", "go.mod", "docs/cart.md", "docs/old.md"}, Repository: "octo-org/shop",
		}},
		"github_delete":        {"github", "push", Event{Ref: "refs/heads/topic", Sender: "octocat", Why: "refs/heads/topic was deleted"}},
		"github_tag":           {"github", "push", Event{Kind: tag, Ref: "refs/tags/v1.4.0", Commit: head, Sender: "octocat", Repository: "octo-org/shop"}},
		"github_pull_request":  {"github", "pull_request", Event{Kind: pull, Ref: "refs/pull/27/head", Commit: head, BaseBranch: "main", PullRequest: "27", Sender: "mona"}},
		"github_fork":          {"github", "pull_request", Event{Kind: pull, Ref: "refs/pull/27/head", Commit: head, BaseBranch: "main", PullRequest: "27", Sender: "mona", Fork: true}},
		"github_ping":          {"github", "ping", Event{Why: "a ping: the hook works"}},
		"gitea_push":           {"gitea", "push", Event{Kind: push, Ref: "refs/heads/develop", Commit: head, Sender: "frida", Changes: []string{"web/button.css", "web/index.html"}, Repository: "shop/web"}},
		"gitea_push_long":      {"gitea", "push", Event{Kind: push, Ref: "refs/heads/develop", Commit: head, Sender: "frida", Repository: "shop/web"}},
		"gitea_tag":            {"gitea", "push", Event{Kind: tag, Ref: "refs/tags/v2.0.0", Commit: head, Sender: "frida", Repository: "shop/web"}},
		"gitea_pull_request":   {"gitea", "pull_request_sync", Event{Kind: pull, Ref: "refs/pull/12/head", Commit: head, BaseBranch: "main", PullRequest: "12", Sender: "frida"}},
		"gitea_fork":           {"gitea", "pull_request", Event{Kind: pull, Ref: "refs/pull/13/head", Commit: head, BaseBranch: "main", PullRequest: "13", Sender: "mona", Fork: true}},
		"gitea_agit":           {"gitea", "pull_request", Event{Kind: pull, Ref: "refs/pull/14/head", Commit: head, BaseBranch: "main", PullRequest: "14", Sender: "mona", Fork: true}},
		"gitlab_push":          {"gitlab", "Push Hook", Event{Kind: push, Ref: "refs/heads/main", Commit: head, Sender: "jordi", Changes: []string{"price/round.go", "price/price.go"}, Repository: "group/shop"}},
		"gitlab_tag":           {"gitlab", "Tag Push Hook", Event{Kind: tag, Ref: "refs/tags/v1.0.0", Commit: head, Sender: "jordi", Repository: "group/shop"}},
		"gitlab_merge_request": {"gitlab", "Merge Request Hook", Event{Kind: pull, Ref: "refs/merge-requests/7/head", Commit: head, BaseBranch: "main", PullRequest: "7", Sender: "jordi"}},
		"gitlab_fork":          {"gitlab", "Merge Request Hook", Event{Kind: pull, Ref: "refs/merge-requests/7/head", Commit: head, BaseBranch: "main", PullRequest: "7", Sender: "jordi", Fork: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(c.kind, c.event, payload(t, name))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for name, kind := range map[string]string{"github_closed": "github", "gitlab_relabelled": "gitlab"} {
		got, err := Parse(kind, "pull_request", payload(t, name))
		require.NoError(t, err)
		require.Empty(t, got.Kind)
		require.NotEmpty(t, got.Why)
	}
}

func TestBodiesThatNoSystemSendsAreRefused(t *testing.T) {
	for _, c := range [][3]string{
		{"github", "push", `{"ref":"refs/heads/a b","after":"` + head + `"}`},
		{"github", "push", `{"ref":"refs/heads/main","after":"$(id)"}`},
		{"github", "push", `{"ref":"refs/heads/\u0000","after":"` + head + `"}`},
		{"github", "push", `[]`},
		{"github", "pull_request", `{"action":"opened","number":0,"pull_request":{"head":{"sha":"` + head + `"}}}`},
		{"gitlab", "Push Hook", `nonsense`},
		{"generic", "hook", `{"parms":{}}`},
		{"generic", "hook", `{} {}`},
		{"generic", "hook", `{"params":{"a":[1]}}`},
	} {
		_, err := Parse(c[0], c[1], []byte(c[2]))
		require.ErrorIs(t, err, hodei.Invalid, c[2])
	}
	for body, want := range map[string]hodei.ErrorDetails{
		`{"parms":{}}`: {Field: "parms", Issue: "unknown field"},
		`{"ref":5}`:    {Field: "ref", Issue: "of the wrong type: number"},
		`[]`:           {Field: "body", Issue: "of the wrong type: array"},
	} {
		_, err := Parse("generic", "hook", []byte(body))
		require.Equal(t, &want, hodei.AsError(err).Details, "the field is named, and no Go type is")
	}
	e, err := Parse("generic", "hook", []byte(`{"params":{"a":1.50,"b":true},"ref":"main"}`))
	require.NoError(t, err)
	require.Equal(t, Event{Kind: hodei.TriggerHook, Ref: "main", Params: map[string]hodei.Scalar{"a": "1.50", "b": "true"}}, e)
}

func TestDecide(t *testing.T) {
	push := Event{Kind: hodei.TriggerPush, Ref: "refs/heads/main", Changes: []string{"docs/a.md", "cart/x.go"}}
	tag := Event{Kind: hodei.TriggerTag, Ref: "refs/tags/v1.2"}
	pull := Event{Kind: hodei.TriggerPullRequest, Ref: "refs/pull/1/head", BaseBranch: "main"}
	fork := pull
	fork.Fork = true
	for _, c := range []struct {
		name   string
		spec   hodei.HookSpec
		event  Event
		status hodei.DeliveryStatus
		reason hodei.Reason
	}{
		{"all pushes", hodei.HookSpec{}, push, hodei.DeliveryStarted, ""},
		{"a branch", hodei.HookSpec{Branches: []string{"ma*"}}, push, hodei.DeliveryStarted, ""},
		{"not that branch", hodei.HookSpec{Branches: []string{"**", "!main"}}, push, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"not that event", hodei.HookSpec{Events: []string{"pull_request"}}, push, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"a path", hodei.HookSpec{Paths: []string{"**/*.go"}}, push, hodei.DeliveryStarted, ""},
		{"no path", hodei.HookSpec{Paths: []string{"web/**"}}, push, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"only other paths", hodei.HookSpec{Paths: []string{"!docs/**", "!cart/**"}}, push, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"paths of a pull request are not known", hodei.HookSpec{Paths: []string{"web/**"}}, pull, hodei.DeliveryStarted, ""},
		{"tags only when given", hodei.HookSpec{}, tag, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"a tag", hodei.HookSpec{Tags: []string{"v*"}, Branches: []string{"x"}}, tag, hodei.DeliveryStarted, ""},
		{"not that tag", hodei.HookSpec{Tags: []string{"w*"}}, tag, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"the base", hodei.HookSpec{Branches: []string{"main"}}, pull, hodei.DeliveryStarted, ""},
		{"another base", hodei.HookSpec{Branches: []string{"next"}}, pull, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"a fork", hodei.HookSpec{}, fork, hodei.DeliveryIgnored, hodei.ReasonFork},
		{"a fork to approve", hodei.HookSpec{Forks: "approve"}, fork, hodei.DeliveryBlocked, hodei.ReasonFork},
		{"a fork to run", hodei.HookSpec{Forks: "run"}, fork, hodei.DeliveryStarted, ""},
		{"a filtered fork", hodei.HookSpec{Forks: "run", Branches: []string{"next"}}, fork, hodei.DeliveryIgnored, hodei.ReasonFiltered},
		{"nothing", hodei.HookSpec{}, Event{Why: "ping"}, hodei.DeliveryIgnored, hodei.ReasonEvent},
	} {
		got := Decide(c.spec, c.event)
		require.Equal(t, c.status, got.Status, c.name)
		require.Equal(t, c.reason, got.Reason, c.name)
		require.Equal(t, c.event.Fork && c.status == hodei.DeliveryStarted, got.NoSecrets, c.name)
	}
}

func TestFromRepository(t *testing.T) {
	const web = "https://git.example.com/shop/web.git"
	spec := hodei.HookSpec{Definition: hodei.DefinitionRepository}
	push := Event{Kind: hodei.TriggerPush, Repository: "Shop/web"}
	for git, want := range map[string]bool{
		web: true, "https://git.example.com/shop/web": true, "git@git.example.com:shop/web.git": true, "ssh://git@x:22/under/shop/web/": true,
		"https://git.example.com/theshop/web": false, "https://git.example.com/shop/web2.git": false, "shop/web": false,
	} {
		got, err := FromRepository(spec, push, &hodei.Source{Git: git})
		require.Equal(t, want, got && err == nil, git)
	}
	for _, e := range []Event{{Kind: hodei.TriggerPullRequest}, {Kind: hodei.TriggerPullRequest, Fork: true}, {Kind: hodei.TriggerHook}} {
		e.Repository = push.Repository
		got, err := FromRepository(spec, e, &hodei.Source{Git: web})
		require.NoError(t, err)
		require.False(t, got, e.Kind)
	}
	got, err := FromRepository(hodei.HookSpec{}, push, nil)
	require.NoError(t, err)
	require.False(t, got, "the hook uses what was applied")
	_, err = FromRepository(spec, Event{Kind: hodei.TriggerTag}, &hodei.Source{Git: web})
	require.ErrorContains(t, err, "another one", "an event without a repository")
}

func TestParams(t *testing.T) {
	body := payload(t, "github_push")
	h := hodei.HookSpec{Kind: "github", Params: map[string]string{"who": "sender.login", "first": "commits.0.id", "n": "repository.pushed_at", "no": "a.b", "off": "commits.7.id"}}
	got, err := Params(h, Event{}, body)
	require.NoError(t, err)
	require.Equal(t, map[string]hodei.Scalar{"who": "octocat", "first": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "n": "1764396000"}, got)
	h.Params = map[string]string{"all": "commits"}
	_, err = Params(h, Event{}, body)
	require.ErrorIs(t, err, hodei.Invalid)
}

func TestProofs(t *testing.T) {
	now, body := time.Unix(1764400000, 0), []byte(`{"a":1}`)
	sum := func(text string) []byte {
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	digest := sha256.Sum256(body)
	at := strconv.FormatInt(now.Unix(), 10)
	id := "d1"
	signature := "v1,AAAA v2,x v1," + base64.StdEncoding.EncodeToString(sum("d1."+at+"."+string(body)))
	for name, c := range map[string]struct {
		kind    string
		headers map[string]string
		want    Proof
	}{
		"github": {
			"github", map[string]string{"x-hub-signature-256": "sha256=" + hex.EncodeToString(sum(string(body))), "x-github-delivery": id, "x-github-event": "push"},
			Proof{Signed: body, Signatures: [][]byte{sum(string(body))}, SenderID: &id, Digest: digest[:], Event: "push"},
		},
		"forgejo": {
			"gitea", map[string]string{"x-forgejo-signature": hex.EncodeToString(sum(string(body))), "x-forgejo-event": "push", "x-gitea-signature": "00"},
			Proof{Signed: body, Signatures: [][]byte{sum(string(body))}, Digest: digest[:], Event: "push"},
		},
		"gitlab token": {
			"gitlab", map[string]string{"x-gitlab-token": "key", "x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": id}, Proof{Token: "key", SenderID: &id, Event: "Push Hook"},
		},
		"gitlab signed": {
			"gitlab", map[string]string{"x-gitlab-token": "key", "x-gitlab-event": "Push Hook", "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature},
			Proof{Signed: []byte("d1." + at + `.{"a":1}`), Signatures: [][]byte{{0, 0, 0}, sum("d1." + at + "." + string(body))}, SenderID: &id, Event: "Push Hook"},
		},
	} {
		got, err := ProofOf(c.kind, Message{Headers: c.headers, Body: body}, now)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	for kind, headers := range map[string]map[string]string{
		"github": {"x-github-event": "push"}, "gitea": {"x-hub-signature-256": "sha256=00"}, "gitlab": {"x-gitlab-event": "Push Hook"}, "generic": {"webhook-signature": signature},
	} {
		_, err := ProofOf(kind, Message{Headers: headers, Body: body}, now)
		require.ErrorIs(t, err, hodei.Unauthenticated, kind)
	}
	stale := map[string]string{"webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature}
	for _, late := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		_, err := ProofOf("generic", Message{Headers: stale, Body: body}, now.Add(late))
		require.ErrorIs(t, err, hodei.Unauthenticated)
	}
}
