package packed_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei/internal/packed"
)

func TestWhatIsPackedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ndjson := []byte(strings.Repeat("{"+rapid.String().Draw(t, "line"), rapid.IntRange(1, 200).Draw(t, "times")))
		text := packed.Pack(ndjson)
		got, err := text.Unpack(1)
		if err != nil || !bytes.Equal(got, ndjson) {
			t.Fatalf("%q came back as %q, %v", ndjson, got, err)
		}
	})
}

func TestOnlyWhatGetsSmallerIsPacked(t *testing.T) {
	log := []byte(strings.Repeat(`{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"compiled","sequence":1}`+"\n", 500))
	require.Less(t, len(packed.Pack(log).Lines), len(log)/10)
	require.Equal(t, packed.Text{Lines: log[:100]}, packed.Pack(log[:100]))
	noise := make([]byte, 4096)
	rand.NewChaCha8([32]byte{}).Read(noise)
	require.Equal(t, packed.Text{Lines: noise}, packed.Pack(noise))
}

func TestADamagedFrameIsRefused(t *testing.T) {
	text := packed.Pack(bytes.Repeat([]byte("a line\n"), 1000))
	short := text
	short.Size--
	_, err := short.Unpack(1)
	require.ErrorContains(t, err, "7000 bytes, not 6999")
	text.Lines = text.Lines[:len(text.Lines)/2]
	_, err = text.Unpack(1)
	require.Error(t, err)
}

// TestFramesOfOthersAreUnpacked: one that was written as a stream has several
// blocks and does not tell its size. It comes behind what is there, and over what
// the memory held before.
func TestFramesOfOthersAreUnpacked(t *testing.T) {
	line := strings.Repeat("compiled something, and linked it\n", 100)
	var frame bytes.Buffer
	w, err := zstd.NewWriter(&frame, zstd.WithWindowSize(64<<10))
	require.NoError(t, err)
	for range 3 {
		_, err = w.Write([]byte(line))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	require.NoError(t, w.Close())
	text := packed.Text{Lines: frame.Bytes(), Size: 3 * len(line)}
	got, err := text.AppendTo([]byte("before\n"), 1)
	require.NoError(t, err)
	require.Equal(t, "before\n"+strings.Repeat(line, 3), string(got))
	stale := bytes.Repeat([]byte("x"), 2*len(got))
	got, err = text.AppendTo(stale[:0], 1)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(line, 3), string(got))
}
