package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei/internal/archive"
)

func globs(t testing.TB, patterns ...string) archive.Globs {
	t.Helper()
	g, err := archive.NewGlobs(patterns)
	require.NoError(t, err)
	return g
}

// TestPartsReturn: each part returns to the directory of its name, links as links, and what
// is there already stays.
func TestPartsReturn(t *testing.T) {
	dir, home := tree(t, map[string]string{"mod/a": "a", "mod/run": "#!", "no": "no"}), tree(t, map[string]string{".cache/x/y": "y", "mod/other": "not this"})
	require.NoError(t, dir.Chmod("mod/run", 0o755))
	require.NoError(t, os.Symlink("run", filepath.Join(dir.Name(), "mod/link")))
	require.NoError(t, os.Symlink("/nowhere", filepath.Join(dir.Name(), "mod/out")))
	require.NoError(t, dir.Mkdir("mod/empty", 0o755))
	var out bytes.Buffer
	p, err := archive.PackParts(t.Context(), []archive.Part{{"dir", dir, globs(t, "mod")}, {"home", home, globs(t, ".cache")}, {"none", home, globs(t)}}, &out)
	require.NoError(t, err)
	require.Equal(t, 5, p.Files)

	toDir, toHome := tree(t, map[string]string{"mod/a": "of the source"}), tree(t, nil)
	files, err := archive.UnpackParts(t.Context(), &out, map[string]*os.Root{"dir": toDir, "home": toHome}, nil)
	require.NoError(t, err)
	require.Equal(t, 5, files)
	for path, want := range map[string]string{"mod/a": "of the source", "mod/run": "#!", "mod/link": "#!"} {
		got, err := toDir.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got), path)
	}
	info, err := toDir.Stat("mod/link")
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o755), info.Mode())
	to, err := toDir.Readlink("mod/out")
	require.NoError(t, err)
	require.Equal(t, "/nowhere", to)
	require.DirExists(t, filepath.Join(toDir.Name(), "mod/empty"))
	got, err := toHome.ReadFile(".cache/x/y")
	require.NoError(t, err)
	require.Equal(t, "y", string(got))
	require.NoFileExists(t, filepath.Join(toHome.Name(), "mod/other"))
}

// TestBadPartsLeaveNothing: an archive that is damaged, cut or hostile leaves both directories
// as they were.
func TestBadPartsLeaveNothing(t *testing.T) {
	reg := func(name string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3, Mode: 0o644}
	}
	link := func(name, to string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	first := reg("dir/new/deep/f")
	good := hostile(t, first)
	for name, from := range map[string]io.Reader{
		"cut":                      bytes.NewReader(good[:len(good)-5]),
		"with a digest that fails": io.MultiReader(bytes.NewReader(good), failing{}),
		"an unknown part":          bytes.NewReader(hostile(t, first, reg("tmp/f"))),
		"no part":                  bytes.NewReader(hostile(t, first, reg("f"))),
		"another part":             bytes.NewReader(hostile(t, first, reg("dir/../home/f"))),
		"parent":                   bytes.NewReader(hostile(t, first, reg("../evil"))),
		"absolute":                 bytes.NewReader(hostile(t, first, reg("/evil"))),
		"through a link":           bytes.NewReader(hostile(t, first, link("dir/l", ".."), reg("dir/l/evil"))),
		"a device":                 bytes.NewReader(hostile(t, first, &tar.Header{Typeflag: tar.TypeChar, Name: "dir/null"})),
		"below a file":             bytes.NewReader(hostile(t, first, reg("dir/here/f"))),
	} {
		dir, home := tree(t, map[string]string{"here": "here", "kept/": ""}), tree(t, nil)
		_, err := archive.UnpackParts(t.Context(), from, map[string]*os.Root{"dir": dir, "home": home}, nil)
		require.Error(t, err, name)
		entries, err := os.ReadDir(dir.Name())
		require.NoError(t, err)
		require.Len(t, entries, 2, name)
		text, err := dir.ReadFile("here")
		require.NoError(t, err)
		require.Equal(t, "here", string(text), name)
		above, err := os.ReadDir(home.Name())
		require.NoError(t, err)
		require.Empty(t, above, name)
		require.NoFileExists(t, filepath.Join(filepath.Dir(dir.Name()), "evil"))
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("not what was wanted") }

func hash(t require.TestingT, root *os.Root, g archive.Globs) (string, int) {
	sum, files, err := archive.Hash(context.Background(), root, g)
	require.NoError(t, err)
	return hex.EncodeToString(sum[:]), files
}

// TestHash: what changes the digest of files, and what does not.
func TestHash(t *testing.T) {
	files := map[string]string{"go.sum": "sum", "a/b": "ab", "a-b": "ab", "a/deep/go.sum": "deep", "empty/": ""}
	root := tree(t, files)
	same := func(want bool, change string, other *os.Root, patterns ...string) {
		t.Helper()
		one, _ := hash(t, root, globs(t, patterns...))
		two, _ := hash(t, other, globs(t, patterns...))
		require.Equal(t, want, one == two, change)
	}
	with := func(name, text string) *os.Root {
		changed := map[string]string{}
		for n, x := range files {
			changed[n] = x
		}
		changed[name] = text
		return tree(t, changed)
	}
	same(true, "another place", tree(t, files), "**")
	same(false, "a content", with("go.sum", "more"), "go.sum")
	same(true, "a file that is not selected", with("a/b", "more"), "go.sum")
	same(false, "one more file", with("x/go.sum", "sum"), "**/go.sum")
	same(true, "an empty directory", with("z/", ""), "**")
	mode := tree(t, files)
	require.NoError(t, mode.Chmod("go.sum", 0o755))
	same(true, "a mode", mode, "**")
	moved := tree(t, map[string]string{"b": "x"})
	one, _ := hash(t, tree(t, map[string]string{"a": "x"}), globs(t, "*"))
	two, _ := hash(t, moved, globs(t, "*"))
	require.NotEqual(t, one, two, "a name")
	linked := tree(t, map[string]string{"real": "sum"})
	require.NoError(t, os.Symlink("real", filepath.Join(linked.Name(), "go.sum")))
	same(true, "a link to the same content", linked, "go.sum")
	outside := tree(t, nil)
	require.NoError(t, os.Symlink(filepath.Join(root.Name(), "go.sum"), filepath.Join(outside.Name(), "go.sum")))
	_, n := hash(t, outside, globs(t, "go.sum"))
	require.Zero(t, n, "a link to the outside is no file")
	_, n = hash(t, root, globs(t, "**/*.lock"))
	require.Zero(t, n)
	_, n = hash(t, root, globs(t, "**", "!a/**"))
	require.Equal(t, 2, n)
}

// TestHashDoesNotDependOnTheOrder in which files were created or globs are given.
func TestHashDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		files := rapid.MapOfN(rapid.StringMatching(`[a-c-]/[a-c-]{1,2}`), rapid.StringN(0, 10, -1), 1, 6).Draw(rt, "files")
		one, n := hash(rt, tree(t, files), globs(t, "**"))
		two, _ := hash(rt, tree(t, files), globs(t, "b/*", "c/*", "**"))
		require.Equal(rt, len(files), n)
		require.Equal(rt, one, two)
		for name := range files {
			files[name] += "x"
			break
		}
		three, _ := hash(rt, tree(t, files), globs(t, "**"))
		require.NotEqual(rt, one, three)
	})
}
