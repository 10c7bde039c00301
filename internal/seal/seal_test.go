package seal

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestKeyFileIsPrivateAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.key")
	first, err := LoadOrMake(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	again, err := LoadOrMake(path)
	require.NoError(t, err)
	require.Equal(t, first.Current(), again.Current())
	got, err := again.Open(first.Current(), first.Seal([]byte("value"), []byte("name/1")), []byte("name/1"))
	require.NoError(t, err)
	require.Equal(t, "value", string(got))
}

func TestAssociatedDataBindsTheValue(t *testing.T) {
	keys, err := parse(newFile())
	require.NoError(t, err)
	sealed := keys.Seal([]byte("value"), []byte("name/1"))
	require.False(t, bytes.Contains(sealed, []byte("value")))
	_, err = keys.Open(keys.Current(), sealed, []byte("name/2"))
	require.Error(t, err)
	require.NotEqual(t, sealed, keys.Seal([]byte("value"), []byte("name/1")))
}

func TestRotation(t *testing.T) {
	file := newFile()
	old, err := parse(file)
	require.NoError(t, err)
	both, err := parse(append(newFile(), file...))
	require.NoError(t, err)
	require.NotEqual(t, old.Current(), both.Current())
	got, err := both.Open(old.Current(), old.Seal([]byte("value"), nil), nil)
	require.NoError(t, err)
	require.Equal(t, "value", string(got))
	_, err = old.Open(both.Current(), both.Seal([]byte("value"), nil), nil)
	require.ErrorIs(t, err, ErrNoKey)
}

func TestBrokenKeyFiles(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("hunter2hunter2"))
	for _, text := range []string{"", "# none\n", short, "not base64!"} {
		_, err := parse([]byte(text))
		require.Error(t, err)
		require.NotContains(t, err.Error(), short)
		require.NotContains(t, err.Error(), "not base64")
	}
}

func TestSealedValuesAreForOneWorkerAndOneExecution(t *testing.T) {
	manager, worker, other := pair(t), pair(t), pair(t)
	id := hodei.ExecutionID(uuid.New())
	box, err := manager.Seal(worker.Public(), id, map[string]string{"A": "value\n\x01"})
	require.NoError(t, err)
	values, err := worker.Open(manager.Public(), box, id)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "value\n\x01"}, values)
	_, err = other.Open(manager.Public(), box, id)
	require.Error(t, err)
	_, err = worker.Open(manager.Public(), box, hodei.ExecutionID(uuid.New()))
	require.Error(t, err)
	_, err = manager.Seal("nonsense", id, nil)
	require.Error(t, err)
}

func pair(t *testing.T) *Pair {
	p, err := NewPair()
	require.NoError(t, err)
	return p
}
