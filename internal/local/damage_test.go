package local_test

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
)

// noise overwrites a file with random bytes.
func noise(t *testing.T, path string, size int) {
	t.Helper()
	text := make([]byte, size)
	_, _ = rand.Read(text) // never fails
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

// TestDamagedPostgres: a start that fails reports the reason from Postgres and
// a remedy. It does not change the data.
func TestDamagedPostgres(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	startPostgres(t, good).Stop()
	damaged := "if the data is damaged, restore $DIR from a backup, or move it away to start with an empty record"
	for name, c := range map[string]struct {
		damage func(t *testing.T, data string)
		want   []string
	}{
		"pg_control missing": {
			func(t *testing.T, data string) {
				require.NoError(t, os.Remove(filepath.Join(data, "global/pg_control")))
			},
			[]string{`could not open file "$DIR/data/global/pg_control": No such file or directory`, damaged},
		},
		"pg_control overwritten": {
			func(t *testing.T, data string) { noise(t, filepath.Join(data, "global/pg_control"), 8192) },
			[]string{"database files are incompatible with server", damaged},
		},
		"PG_VERSION missing": {
			func(t *testing.T, data string) { require.NoError(t, os.Remove(filepath.Join(data, "PG_VERSION"))) },
			[]string{`"$DIR/data" is not a valid data directory`, `PG_VERSION`, damaged},
		},
		"PG_VERSION empty": {
			func(t *testing.T, data string) { require.NoError(t, os.Truncate(filepath.Join(data, "PG_VERSION"), 0)) },
			[]string{"$DIR/data/PG_VERSION does not hold a version", damaged},
		},
		"write-ahead log truncated": {
			func(t *testing.T, data string) {
				files, err := filepath.Glob(filepath.Join(data, "pg_wal/0*"))
				require.NoError(t, err)
				require.NotEmpty(t, files)
				for _, f := range files {
					require.NoError(t, os.Truncate(f, 0))
				}
			},
			[]string{"could not locate a valid checkpoint record", damaged},
		},
		"open to others": {
			func(t *testing.T, data string) { require.NoError(t, os.Chmod(data, 0o777)) },
			[]string{`data directory "$DIR/data" has invalid permissions: Permissions should be u=rwx (0700)`},
		},
		"of another owner": {
			func(t *testing.T, data string) {
				if os.Geteuid() == 0 { // only root can give files away
					require.NoError(t, os.Chown(data, 4711, 4711))
				} else {
					require.NoError(t, os.Chmod(filepath.Join(data, "postgresql.conf"), 0))
				}
			},
			[]string{"ermission"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out, err := exec.Command("cp", "-a", good+"/.", dir).CombinedOutput() // with owners and modes
			require.NoError(t, err, string(out))
			c.damage(t, filepath.Join(dir, "data"))
			_, err = local.StartPostgres(t.Context(), local.PostgresConfig{Dir: dir, Log: localtest.Log(t), Unsafe: true})
			for _, want := range c.want {
				require.ErrorContains(t, err, os.Expand(want, func(string) string { return dir }))
			}
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "/proc/")
			require.DirExists(t, filepath.Join(dir, "data", "base"))
		})
	}
}

// TestPostgresOnASmallDisk: the error names the space that is missing, for new
// and for existing data. The start succeeds once the disk has enough.
func TestPostgresOnASmallDisk(t *testing.T) {
	t.Parallel()
	small := localtest.NewDisk(t, 20<<20)
	start := func(dir string) (*local.Postgres, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return local.StartPostgres(ctx, local.PostgresConfig{Dir: dir, Log: localtest.Log(t)})
	}
	_, err := start(filepath.Join(small.Dir, "postgres"))
	require.ErrorContains(t, err, "its disk has 19 MiB free, and Postgres needs at least 64 MiB: free some space")

	disk := localtest.NewDisk(t, 200<<20)
	dir := filepath.Join(disk.Dir, "postgres")
	pg, err := start(dir)
	require.NoError(t, err)
	pg.Stop()
	require.NoError(t, disk.Fill())
	_, err = start(dir)
	require.ErrorContains(t, err, "No space left on device: its disk has 0 MiB free, and Postgres needs at least 32 MiB: free some space")
	require.NoError(t, disk.Free())
	pg, err = start(dir)
	require.NoError(t, err)
	pg.Stop()
}

// TestDamagedJetStream: the server starts with a damaged store, and the streams
// can be created again.
func TestDamagedJetStream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	use := func() {
		srv, err := local.StartNATS(local.NATSConfig{StoreDir: dir, Log: localtest.Log(t)})
		require.NoError(t, err)
		defer srv.Shutdown()
		js, err := jetstream.New(localtest.Connect(t, srv))
		require.NoError(t, err)
		require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
		_, err = kv.Keep(t.Context(), js, kv.Storage{})
		require.NoError(t, err)
		_, err = js.Publish(t.Context(), "execution.event.created.x", nil)
		require.NoError(t, err)
	}
	use()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			noise(t, path, 500)
		}
		return err
	}))
	use()
}
