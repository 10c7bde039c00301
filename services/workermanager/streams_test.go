package workermanager

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestLostStreams: each stream and the bucket is made again when it is gone,
// and what workers say is heard as before.
func TestLostStreams(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, name := range schemas.Streams {
		require.NoError(t, b.js.DeleteStream(t.Context(), name))
		b.until(name+" is there again", func() bool {
			_, err := b.js.Stream(t.Context(), name)
			return err == nil
		})
	}
	var err error
	b.bucket, err = kv.OpenWorkers(t.Context(), b.js)
	require.NoError(t, err)
	h := b.worker()
	h.keepSaying() // as workers do: who follows the bucket that is gone notices in a while
	b.until("the worker is heard", func() bool { return len(b.fleet.speaking()) == 1 })
	require.Equal(t, h.id, b.fleet.speaking()[0].id)
}
