package hodei_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestReferences: a run is its id, or a pipeline and a number; an execution its id, or a run
// and a key.
func TestReferences(t *testing.T) {
	const uuid = "0193a5a0-7b1e-7cc3-9d1e-3f6a2b4c5d6e"
	for _, pipeline := range []string{"release", uuid, "pipe_" + uuid} {
		of, number, ok := hodei.Numbered(hodei.RunRef(pipeline + "#42"))
		require.True(t, ok)
		require.Equal(t, hodei.PipelineRef(pipeline), of)
		require.Equal(t, 42, number)
		run, key, ok := hodei.JobInRun(hodei.ExecutionRef(pipeline + "#42/test[os=a/b]"))
		require.True(t, ok)
		require.Equal(t, hodei.RunRef(pipeline+"#42"), run)
		require.Equal(t, "test[os=a/b]", key)
	}
	run, key, ok := hodei.JobInRun("run_" + uuid + "/test")
	require.True(t, ok)
	require.Equal(t, "test", key)
	id, isID := run.ID()
	require.True(t, isID)
	require.Equal(t, run, hodei.RefTo(id))
	for _, text := range []string{"", "release", "release#", "release#0", "release#01", "release#x", "Release#1", "release#1#2", "run_" + uuid, "release#9999999999"} {
		_, _, ok := hodei.Numbered(hodei.RunRef(text))
		require.False(t, ok, text)
		_, _, ok = hodei.JobInRun(hodei.ExecutionRef(text))
		require.False(t, ok, text)
	}
	_, _, ok = hodei.JobInRun("release#1/")
	require.False(t, ok)
}

func TestPipelineRef(t *testing.T) {
	const uuid = "0193a5a0-7b1e-7cc3-9d1e-3f6a2b4c5d6e"
	for _, text := range []string{uuid, "pipe_" + uuid} {
		id, isID := hodei.PipelineRef(text).ID()
		require.True(t, isID)
		require.Equal(t, hodei.PipelineRef("pipe_"+uuid), hodei.RefTo(id))
		require.False(t, hodei.IsSlug(text))
	}
	for _, text := range []string{"a", "0", "release", "a-b-", "0193a5a0"} {
		require.True(t, hodei.IsSlug(text), text)
	}
	for _, text := range []string{"", "-a", "A", "a_b", "a#1", "a\n", "job_" + uuid} {
		ref := hodei.PipelineRef(text)
		_, isID := ref.ID()
		require.False(t, isID || hodei.IsSlug(text), "%q", text)
	}
}
