package kv_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestStreamsFitTheRoomThereIs: where others have taken most of the storage the
// streams are made smaller, and grow when there is room again.
func TestStreamsFitTheRoomThereIs(t *testing.T) {
	nc := localtest.Connect(t, localtest.NATS(t))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	limit := func(name string) int64 {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		return stream.CachedInfo().Config.MaxBytes
	}
	other, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}, MaxBytes: 8<<30 - 200<<20})
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, 1))
	require.EqualValues(t, 128<<20, limit(schemas.LogStream))
	require.EqualValues(t, 64<<20, limit(schemas.EventStream))

	require.NoError(t, js.DeleteStream(t.Context(), other.CachedInfo().Config.Name))
	require.NoError(t, kv.Setup(t.Context(), js, 1))
	require.EqualValues(t, 2<<30, limit(schemas.LogStream))
	require.EqualValues(t, 1<<30, limit(schemas.EventStream))

	require.NoError(t, js.DeleteStream(t.Context(), schemas.LogStream))
	require.NoError(t, js.DeleteStream(t.Context(), schemas.EventStream))
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}, MaxBytes: 8<<30 - 20<<20})
	require.NoError(t, err)
	require.ErrorContains(t, kv.Setup(t.Context(), js, 1), "set up stream "+schemas.LogStream, "not even the least fits")
}
