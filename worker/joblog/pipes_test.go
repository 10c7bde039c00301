package joblog

import (
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// TestStandardOutputComesFirst: if both pipes hold data, standard output is
// read first.
func TestStandardOutputComesFirst(t *testing.T) {
	t.Parallel()
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	errR, errW, err := os.Pipe()
	require.NoError(t, err)
	var printed []byte
	j := New(hodei.ExecutionID{1}, NewSpool(t.TempDir(), 1<<20, 1<<20), slog.New(slog.DiscardHandler), Limit{}, &mask.Set{},
		func(_ hodei.ExecutionID, _, _ int64, body logchunk.Body) error {
			printed = append(printed, body.Lines...)
			return nil
		})
	_, err = errW.WriteString("complaint\n")
	require.NoError(t, err)
	_, err = outW.WriteString("result\nmore")
	require.NoError(t, err)
	require.NoError(t, errW.Close())
	require.NoError(t, outW.Close())

	NewPipes(j, outR, errR).Read()
	count, _ := j.Close()
	require.Equal(t, int64(3), count)
	require.Regexp(t, `(?s)"line":"result","sequence":1.*"line":"complaint","sequence":2.*"line":"more","sequence":3`, string(printed))
}

func TestHeldReportsWhetherAProcessCanWrite(t *testing.T) {
	t.Parallel()
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	errR, errW, err := os.Pipe()
	require.NoError(t, err)
	o := NewPipes(nil, outR, errR)
	require.True(t, o.Held())
	_, err = outW.WriteString("not read yet")
	require.NoError(t, err)
	require.NoError(t, outW.Close())
	require.True(t, o.Held(), "the other is")
	require.NoError(t, errW.Close())
	require.False(t, o.Held())
	require.NoError(t, outR.Close())
	require.NoError(t, errR.Close())
	require.False(t, o.Held())
}
