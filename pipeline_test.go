package hodei_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestPipelineRef(t *testing.T) {
	const uuid = "0193a5a0-7b1e-7cc3-9d1e-3f6a2b4c5d6e"
	for _, text := range []string{uuid, "pipe_" + uuid} {
		id, isID := hodei.PipelineRef(text).ID()
		require.True(t, isID)
		require.Equal(t, hodei.PipelineRef("pipe_"+uuid), hodei.RefTo(id))
		require.False(t, hodei.PipelineRef(text).IsSlug())
	}
	for _, text := range []string{"a", "0", "release", "a-b-", "0193a5a0"} {
		require.True(t, hodei.PipelineRef(text).IsSlug(), text)
	}
	for _, text := range []string{"", "-a", "A", "a_b", "a#1", "a\n", "job_" + uuid} {
		ref := hodei.PipelineRef(text)
		_, isID := ref.ID()
		require.False(t, isID || ref.IsSlug(), "%q", text)
	}
}
