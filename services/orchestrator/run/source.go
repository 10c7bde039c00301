package run

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

//go:embed fetch.sh
var fetch string

// fetchTimeout bounds the fetch of a source, in seconds.
const fetchTimeout = 3600

// addSource adds a job that fetches the source of the pipeline, or that stands for an uploaded
// source. It is the first job in the order, and all other jobs wait for it.
func addSource(r *hodei.Run, from Source) error {
	if from.Settings.Source == nil && from.Uploaded == nil {
		return nil
	}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.Job == hodei.SourceKey {
			return hodei.InvalidField("jobs."+hodei.SourceKey, "the job that fetches the source has this key; choose another one")
		}
		j.Needs = append(slices.Clone(j.Needs), hodei.SourceKey)
		j.Position += spacing
	}
	first := hodei.RunJob{}
	if from.Uploaded != nil {
		first = uploaded(r, *from.Uploaded)
	} else {
		first = fetching(from)
	}
	first.Key, first.Job, first.Needs, first.Spec.Key = hodei.SourceKey, hodei.SourceKey, []string{}, hodei.SourceKey
	r.Jobs = append([]hodei.RunJob{first}, r.Jobs...)
	return nil
}

// uploaded returns the job that stands for an uploaded source. It is completed from the start.
func uploaded(r *hodei.Run, tree hodei.UploadedSource) hodei.RunJob {
	message := "uploaded"
	if r.Trigger.By != nil {
		message += " by " + *r.Trigger.By
	}
	return hodei.RunJob{
		Status: hodei.JobCompleted, Message: &message, Attempt: 1, StartedAt: &r.CreatedAt, CompletedAt: &r.CreatedAt,
		Plan: hodei.JobPlan{Uploaded: &tree}, Spec: hodei.Spec{Source: hodei.SourceUploaded, Environment: map[string]string{}, Priority: hodei.DefaultPriority},
	}
}

// fetching returns the job that fetches the source. The defaults of the pipeline determine the
// workers that may run it, as for every job without its own requirements.
func fetching(from Source) hodei.RunJob {
	s := from.Settings.Source
	depth := 1
	if s.Depth != nil {
		depth = *s.Depth
	}
	spec := hodei.Spec{
		Command: hodei.Command{Shell: fetch}, Priority: hodei.DefaultPriority, TimeoutSeconds: new(float64(fetchTimeout)), Source: hodei.SourceFetched,
		Environment: map[string]string{
			"SOURCE_GIT": s.Git, "SOURCE_REF": s.Ref, "SOURCE_DEPTH": strconv.Itoa(depth), "SOURCE_SUBMODULES": strconv.FormatBool(s.Submodules), "SOURCE_ORIGIN": origin(s.Git),
		},
		Retries: &hodei.Retries{Max: 2, BackoffSeconds: 2, On: []string{
			"exit:75", string(hodei.ReasonWorkerLost), string(hodei.ReasonWorkerTerminated), string(hodei.ReasonArtifactFailed),
		}},
	}
	spec.Artifacts = []hodei.ArtifactSpec{{Name: hodei.SourceKey, Paths: []string{"**"}}}
	if s.Secret != "" && !from.NoSecrets {
		spec.Secrets = []hodei.SecretRef{{Name: s.Secret, As: "SOURCE_TOKEN"}}
	}
	spec.Requirements = placement(from.Settings.Defaults)
	return hodei.RunJob{Status: hodei.JobWaiting, Spec: spec}
}

// placement returns the worker type and labels that the defaults require.
func placement(defaults json.RawMessage) hodei.Requirements {
	var given struct {
		Type         *string            `json:"type"`
		Requirements hodei.Requirements `json:"requirements"`
	}
	if len(defaults) > 0 {
		_ = json.Unmarshal(defaults, &given) // checked when the definition was applied
	}
	out := hodei.Requirements{Type: given.Requirements.Type, Labels: given.Requirements.Labels}
	if out.Type == nil {
		out.Type = given.Type
	}
	return out
}

// origin returns the scheme and host of an address. A credential is sent only to that server.
func origin(git string) string {
	scheme, rest, _ := strings.Cut(git, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// fullRef is the full name of a branch or a tag.
var fullRef = regexp.MustCompile(`^refs/(heads|tags)/[^\s"\\]{1,250}$`)

// pin records the fetched commit in the run, and the full name of its ref if the run had a short
// one or none. Later attempts and reruns fetch the same commit.
func (a *advance) pin(j *hodei.RunJob) {
	commit, ref := j.Outputs["commit"], j.Outputs["ref"]
	if j.Spec.Source != hodei.SourceFetched || j.Status != hodei.JobCompleted || a.r.Commit != nil || !commitHash.MatchString(commit) {
		return
	}
	a.r.Commit = &commit
	if !strings.HasPrefix(text(a.r.Ref), "refs/") && fullRef.MatchString(ref) {
		a.r.Ref = &ref
	}
}

// receivesSource reports whether an execution of the job starts with the tree of the source.
func (a *advance) receivesSource(j *hodei.RunJob) bool {
	if j.Spec.Checkout != nil && !*j.Spec.Checkout || j.Spec.Source != "" {
		return false
	}
	legs := a.legs[hodei.SourceKey]
	return len(legs) == 1 && a.r.Jobs[legs[0]].Spec.Source != "" && a.r.Jobs[legs[0]].Succeeded()
}
