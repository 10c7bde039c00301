package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestAJobAlone(t *testing.T) {
	other := hodei.Command{Args: []string{"echo", "other"}}
	j := job("a", "", env("A", "job"), when(hodei.WhenAlways))
	spec, err := Alone(j, &other, map[string]string{"B": "call"})
	require.NoError(t, err)
	require.Equal(t, other, spec.Command)
	require.Equal(t, map[string]string{"A": "job", "B": "call"}, spec.Environment)
	require.Zero(t, spec.Graph)
	require.Equal(t, map[string]string{"A": "job"}, j.Environment, "the job stays as it was")
	spec, err = Alone(j, nil, nil)
	require.NoError(t, err)
	require.Equal(t, j.Command, spec.Command)
}

// TestAJobThatNeedsARun is not executed alone.
func TestAJobThatNeedsARun(t *testing.T) {
	_, err := Alone(job("a", "", func(j *hodei.Job) { j.Approval = &hodei.Gate{Message: "go?"} }), nil, nil)
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = Alone(job("a", "", empty), nil, nil)
	require.ErrorContains(t, err, "command")

	const ref = "x ${{ params.env }}"
	for field, change := range map[string]func(*hodei.Job){
		"environment.A":       env("A", ref),
		"requirements.labels": func(j *hodei.Job) { j.Requirements.Labels = map[string]string{"os": ref} },
		"type":                func(j *hodei.Job) { j.Requirements.Type = new(ref) },
		"artifacts":           func(j *hodei.Job) { j.Artifacts = []hodei.ArtifactSpec{{Name: ref}} },
		"caches":              func(j *hodei.Job) { j.Caches = []hodei.CacheSpec{{Key: "a", Restore: []string{ref}}} },
	} {
		_, err := Alone(job("a", "", change), nil, nil)
		require.ErrorIs(t, err, hodei.Invalid, field)
		require.Equal(t, field, hodei.AsError(err).Details.Field)
	}
	_, err = Alone(job("a", "", env("A", ref)), nil, map[string]string{"A": "prod"})
	require.NoError(t, err, "the caller gives the value")
	_, err = Alone(job("a", "", func(j *hodei.Job) { j.Caches = []hodei.CacheSpec{{Key: "go-${{ file_hash('go.sum') }}"}} }), nil, nil)
	require.NoError(t, err, "the worker replaces file_hash")
}

// TestCallersHideNoValue: conditions, approvals and commands have the same values.
func TestCallersHideNoValue(t *testing.T) {
	jobs := []hodei.Job{job("a", "", func(j *hodei.Job) {
		j.Secrets, j.Matrix = []hodei.SecretRef{{Name: "KEY", As: "TOKEN"}}, &hodei.Matrix{Values: map[string][]hodei.Scalar{"os": {"linux"}}}
	})}
	settings := hodei.Settings{Params: []hodei.Param{{Name: "env"}}}
	for _, name := range []string{"PARAM_ENV", "MATRIX_OS", "HODEI_BRANCH", "HODEI_RUN_ID", "HODEI_JOB", "HODEI_OUTPUT", "TOKEN"} {
		err := Expand(&hodei.Run{}, Source{Settings: settings, Jobs: jobs, Environment: map[string]string{"A": "x", name: "x"}})
		require.ErrorIs(t, err, hodei.Invalid, name)
		require.Equal(t, "environment."+name, hodei.AsError(err).Details.Field)
	}
	require.NoError(t, Expand(&hodei.Run{}, Source{Settings: settings, Jobs: jobs, Environment: map[string]string{"PARAM_OTHER": "x"}}), "no param has this name")
	r := expanded(t, hodei.Settings{}, []hodei.Job{job("a", "", env("HODEI_BRANCH", "forged"))})
	require.Equal(t, "main", scene{t, newWorld(t, r, false)}.started("a").Spec.Environment["HODEI_BRANCH"])
}
