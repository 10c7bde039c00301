package archive_test

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei/internal/archive"
)

// tree writes files into a new directory. A name that ends with "/" is a directory.
func tree(t testing.TB, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(name, "/") {
			require.NoError(t, os.MkdirAll(path, 0o755))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func pack(t testing.TB, root *os.Root, globs ...string) ([]byte, archive.Packed) {
	t.Helper()
	selected, err := archive.NewGlobs(globs)
	require.NoError(t, err)
	var out bytes.Buffer
	p, err := archive.Pack(t.Context(), root, selected, &out)
	require.NoError(t, err)
	return out.Bytes(), p
}

// names lists an archive.
func names(t testing.TB, data []byte) (list []string) {
	t.Helper()
	require.NoError(t, archive.Each(t.Context(), bytes.NewReader(data), func(e archive.Entry, _ io.Reader) error {
		name := e.Path
		if e.IsDir() {
			name += "/"
		}
		list = append(list, name)
		return nil
	}))
	return list
}

// TestGlobs: what globs select.
func TestGlobs(t *testing.T) {
	root := tree(t, map[string]string{"a": "", "out/x": "", "out/.dot/y": "", "out/deep/z.txt": "", "out/empty/": "", "other/w": "", "we[ird]/ñ\nl": ""})
	for globs, want := range map[string][]string{
		"out/":            {"out/.dot/y", "out/deep/z.txt", "out/empty/", "out/x"},
		"out/**":          {"out/.dot/y", "out/deep/z.txt", "out/empty/", "out/x"},
		"out":             {"out/.dot/y", "out/deep/z.txt", "out/empty/", "out/x"},
		"./out/*":         {"out/empty/", "out/x"},
		"**/*.txt":        {"out/deep/z.txt"},
		"*":               {"a"},
		"{a,other/*}":     {"a", "other/w"},
		"out/ !out/.dot/": {"out/deep/z.txt", "out/empty/", "out/x"},
		"**/y":            {"out/.dot/y"},
		`we\[ird\]/`:      {"we[ird]/ñ\nl"},
		"nothing":         nil,
	} {
		data, p := pack(t, root, strings.Fields(globs)...)
		require.Equal(t, want, names(t, data), globs)
		require.Equal(t, want == nil, p.Empty(), globs)
	}
	_, err := archive.NewGlobs([]string{"a[b"})
	require.Error(t, err)
}

// TestPackedFilesReturn: any tree is the same after it was packed and unpacked.
func TestPackedFilesReturn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b c", "ñ", "\n", ".d", "-x", strings.Repeat("long", 40), "\xff"})
		files := rapid.MapOf(rapid.Custom(func(rt *rapid.T) string {
			return strings.Join(rapid.SliceOfN(name, 1, 3).Draw(rt, "path"), "/")
		}), rapid.StringN(0, 40, -1)).Draw(rt, "files")
		for path := range files { // a file in the place of a directory
			for other := range files {
				if strings.HasPrefix(other, path+"/") {
					delete(files, path)
				}
			}
		}
		from, to := tree(t, files), tree(t, nil)
		modes := map[string]fs.FileMode{}
		for path := range files {
			modes[path] = rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o600, 0o711}).Draw(rt, "mode")
			require.NoError(t, from.Chmod(path, modes[path]))
		}
		data, p := pack(t, from, "**")
		require.Equal(t, len(files), p.Files)
		n, err := (&archive.Unpacker{Root: to}).Unpack(t.Context(), bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, len(files), n)
		for path, text := range files {
			got, err := to.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text, string(got))
			info, err := to.Stat(path)
			require.NoError(t, err)
			require.Equal(t, modes[path], info.Mode().Perm())
		}
		again, _ := pack(t, to, "**")
		require.Equal(t, data, again, "the same files are the same content")
	})
}

// TestLinksStayInside: a link is packed as the file that it leads to, if that is in the
// directory; nothing else is.
func TestLinksStayInside(t *testing.T) {
	root := tree(t, map[string]string{"dir/real": "content"})
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for name, to := range map[string]string{"good": "dir/real", "bad": outside, "up": "../../../../etc/passwd", "loop": "loop", "todir": "dir"} {
		require.NoError(t, os.Symlink(to, filepath.Join(root.Name(), name)))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(root.Name(), "pipe"), 0o600))
	data, p := pack(t, root, "**")
	require.Equal(t, []string{"dir/real", "good"}, names(t, data))
	require.Len(t, p.Skipped, 5)
}

// TestAFileThatChanges: a file that becomes shorter keeps its size, and one without
// permission is left out; neither fails the rest.
func TestAFileThatChanges(t *testing.T) {
	root := tree(t, map[string]string{"a": "x", "short": strings.Repeat("s", 1<<20), "z": "x"})
	selected, err := archive.NewGlobs([]string{"**"})
	require.NoError(t, err)
	out := &cutter{cut: func() { require.NoError(t, os.Truncate(filepath.Join(root.Name(), "short"), 10)) }}
	p, err := archive.Pack(t.Context(), root, selected, out)
	require.NoError(t, err)
	require.Equal(t, 3, p.Files)
	require.Equal(t, []string{"a", "short", "z"}, names(t, out.Bytes()))
}

// cutter calls cut with the first byte.
type cutter struct {
	bytes.Buffer
	cut func()
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.cut != nil {
		c.cut()
		c.cut = nil
	}
	return c.Buffer.Write(p)
}

// hostile is an archive of one entry.
func hostile(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	require.NoError(t, err)
	w := tar.NewWriter(z)
	for _, h := range headers {
		require.NoError(t, w.WriteHeader(h))
		_, err := w.Write(make([]byte, h.Size))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return out.Bytes()
}

// TestHostileArchives: nothing outside of the directory is written, whatever the archive has.
func TestHostileArchives(t *testing.T) {
	reg := func(name string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3, Mode: 0o644}
	}
	dir := func(name string) *tar.Header { return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755} }
	link := func(kind byte, name, to string) *tar.Header {
		return &tar.Header{Typeflag: kind, Name: name, Linkname: to}
	}
	for name, headers := range map[string][]*tar.Header{
		"absolute":          {reg("/tmp/evil")},
		"parent":            {reg("../evil")},
		"parent inside":     {reg("a/../../evil")},
		"not clean":         {reg("a/../b")},
		"the directory":     {dir("./")},
		"symbolic link":     {link(tar.TypeSymlink, "l", "/etc")},
		"through a link":    {link(tar.TypeSymlink, "l", ".."), reg("l/evil")},
		"hard link":         {link(tar.TypeLink, "l", "../../etc/passwd")},
		"device":            {{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}},
		"pipe":              {link(tar.TypeFifo, "p", "")},
		"file as directory": {reg("a"), reg("a/b")},
		"directory as file": {dir("a/"), reg("a")},
		"directory of file": {reg("a"), dir("a/")},
	} {
		root := tree(t, nil)
		_, err := (&archive.Unpacker{Root: root}).Unpack(t.Context(), bytes.NewReader(hostile(t, headers...)))
		require.Error(t, err, name)
		above, err := os.ReadDir(filepath.Dir(root.Name()))
		require.NoError(t, err)
		require.False(t, slices.ContainsFunc(above, func(e os.DirEntry) bool { return e.Name() == "evil" }), name)
	}
}

// TestUnpackingReplacesLinks: a link that is there already is replaced, and what it leads to
// stays as it is, also inside the directory.
func TestUnpackingReplacesLinks(t *testing.T) {
	root := tree(t, map[string]string{"victim": "victim"})
	require.NoError(t, os.Symlink("victim", filepath.Join(root.Name(), "f")))
	require.NoError(t, os.Link(filepath.Join(root.Name(), "victim"), filepath.Join(root.Name(), "g")))
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(root.Name(), "d")))
	u := &archive.Unpacker{Root: root}
	for _, name := range []string{"f", "g"} {
		_, err := u.Unpack(t.Context(), bytes.NewReader(hostile(t, &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3, Mode: 0o4755})))
		require.NoError(t, err)
	}
	_, err := u.Unpack(t.Context(), bytes.NewReader(hostile(t, &tar.Header{Typeflag: tar.TypeReg, Name: "d/x", Size: 3, Mode: 0o644})))
	require.Error(t, err, "the directory is a link to the outside")
	body, err := root.ReadFile("victim")
	require.NoError(t, err)
	require.Equal(t, "victim", string(body))
	info, err := root.Stat("f")
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o755), info.Mode(), "no bit but the permissions")
}

// TestConflicts: the same file may be in two archives, another one at its path may not.
func TestConflicts(t *testing.T) {
	one, _ := pack(t, tree(t, map[string]string{"a/b": "one", "c": "c"}), "**")
	same, _ := pack(t, tree(t, map[string]string{"a/b": "one", "d": "d"}), "**")
	root := tree(t, map[string]string{"a/b": "of the source"})
	u := &archive.Unpacker{Root: root}
	for _, data := range [][]byte{one, same} {
		_, err := u.Unpack(t.Context(), bytes.NewReader(data))
		require.NoError(t, err)
	}
	body, err := root.ReadFile("a/b")
	require.NoError(t, err)
	require.Equal(t, "one", string(body))
	for _, text := range []string{"two", "on", "one more", "", strings.Repeat("one", 100_000)} {
		other, _ := pack(t, tree(t, map[string]string{"a/b": text}), "**")
		_, err = u.Unpack(t.Context(), bytes.NewReader(other))
		var conflict *archive.ConflictError
		require.ErrorAs(t, err, &conflict, text)
		require.Equal(t, "a/b", conflict.Path)
	}
}

// TestDamagedArchives: an archive that is cut or has something else in it is an error.
func TestDamagedArchives(t *testing.T) {
	data, _ := pack(t, tree(t, map[string]string{"a": strings.Repeat("text ", 1000)}), "**")
	for _, bad := range [][]byte{data[:len(data)/2], []byte("no archive"), append(slices.Clone(data), "more"...)} {
		_, err := (&archive.Unpacker{Root: tree(t, nil)}).Unpack(t.Context(), bytes.NewReader(bad))
		require.Error(t, err)
	}
}
