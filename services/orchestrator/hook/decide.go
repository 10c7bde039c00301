package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

// Outcome is the decision of a hook about an event.
type Outcome struct {
	// Status is STARTED if a run is to be created. NoSecrets keeps all secrets from the run.
	Status    hodei.DeliveryStatus
	NoSecrets bool
	// Reason and Message explain why no run is created.
	Reason  hodei.Reason
	Message string
}

// Decide returns the decision of the hook about an event.
func Decide(h hodei.HookSpec, e Event) Outcome {
	if e.Kind == "" {
		return Outcome{Status: hodei.DeliveryIgnored, Reason: hodei.ReasonEvent, Message: e.Why}
	}
	if why := filtered(h, e); why != "" {
		return Outcome{Status: hodei.DeliveryIgnored, Reason: hodei.ReasonFiltered, Message: why}
	}
	if !e.Fork {
		return Outcome{Status: hodei.DeliveryStarted}
	}
	switch h.Forks {
	case hodei.ForksRun:
		return Outcome{Status: hodei.DeliveryStarted, NoSecrets: true}
	case hodei.ForksApprove:
		return Outcome{Status: hodei.DeliveryBlocked, Reason: hodei.ReasonFork, Message: "a pull request from a fork: an operator must approve the delivery"}
	}
	return Outcome{Status: hodei.DeliveryIgnored, Reason: hodei.ReasonFork, Message: "pull requests from forks are ignored: see forks of the hook"}
}

// filtered returns why the filters of the hook exclude the event; "" if they do not.
func filtered(h hodei.HookSpec, e Event) string {
	switch e.Kind {
	case hodei.TriggerTag:
		tag := strings.TrimPrefix(e.Ref, "refs/tags/")
		if len(h.Tags) == 0 {
			return "the hook has no tags"
		}
		if !matches(h.Tags, tag) {
			return fmt.Sprintf("the tag %q is not among the tags of the hook", clip(tag))
		}
		return ""
	case hodei.TriggerPush:
		return ofBranch(h, e, strings.TrimPrefix(e.Ref, "refs/heads/"))
	case hodei.TriggerPullRequest:
		return ofBranch(h, e, e.BaseBranch)
	}
	return ""
}

func ofBranch(h hodei.HookSpec, e Event, branch string) string {
	if len(h.Events) > 0 && !slices.Contains(h.Events, string(e.Kind)) {
		return "the hook has no event " + string(e.Kind)
	}
	if len(h.Branches) > 0 && !matches(h.Branches, branch) {
		return fmt.Sprintf("the branch %q is not among the branches of the hook", clip(branch))
	}
	if len(h.Paths) > 0 && e.Changes != nil && !slices.ContainsFunc(e.Changes, func(path string) bool { return matches(h.Paths, path) }) {
		return "none of the changed files is among the paths of the hook"
	}
	return ""
}

// FromRepository reports whether the run of the event uses the definition in the pushed commit.
// A pull request does not, because its commit is in a fork or another branch. A push to another
// repository than the source, whose hook may share the secret, is an error.
func FromRepository(h hodei.HookSpec, e Event, source *hodei.Source) (bool, error) {
	if h.Definition != hodei.DefinitionRepository || e.Fork || e.Kind != hodei.TriggerPush && e.Kind != hodei.TriggerTag {
		return false, nil
	}
	if source != nil && !isOf(source.Git, e.Repository) {
		return false, hodei.InvalidField("definition", fmt.Sprintf("the event is of the repository %q, and that of source.git is another one", clip(e.Repository)))
	}
	return true, nil
}

// isOf reports whether the address of a repository ends with its full name. The hosts may differ,
// because a server may have one for people and one for machines.
func isOf(git, name string) bool {
	git = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(git), ".git"), "/")
	rest, ok := strings.CutSuffix(git, strings.ToLower(name))
	return ok && name != "" && (strings.HasSuffix(rest, "/") || strings.HasSuffix(rest, ":"))
}

func matches(globs []string, value string) bool {
	all := make(hodei.Globs, len(globs))
	for i, glob := range globs {
		all[i] = hodei.Scalar(glob)
	}
	return run.Match(all, value)
}

// maxValue is the size limit of a value that an event gives to a param.
const maxValue = 4 << 10

// Params returns the values that an event gives to the params of a run. A value that the event
// does not have is left out.
func Params(h hodei.HookSpec, e Event, body []byte) (map[string]hodei.Scalar, error) {
	if h.Kind == hodei.HookGeneric {
		return e.Params, nil
	}
	if len(h.Params) == 0 {
		return nil, nil
	}
	var root any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // numbers keep their text
	if err := dec.Decode(&root); err != nil {
		return nil, malformed(err)
	}
	out := map[string]hodei.Scalar{}
	for name, place := range h.Params {
		value := find(root, place)
		if value == nil {
			continue
		}
		text, ok := scalar(value)
		if !ok || len(text) > maxValue {
			return nil, hodei.InvalidField("params."+name, fmt.Sprintf("the event has no single value of up to %d KiB at %s", maxValue>>10, place))
		}
		out[name] = hodei.Scalar(text)
	}
	return out, nil
}

// find returns the value at a place such as commits.0.id; nil if there is none.
func find(value any, place string) any {
	for step := range strings.SplitSeq(place, ".") {
		switch node := value.(type) {
		case map[string]any:
			value = node[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			value = node[i]
		default:
			return nil
		}
	}
	return value
}

func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
