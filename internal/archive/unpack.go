package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// Entry is a file or an empty directory of an archive.
type Entry struct {
	Path string
	fs.FileInfo
}

// Each calls fn for each entry of an archive, in order, with the content of a file. It
// refuses an archive with links, special files, or paths that leave the directory.
func Each(ctx context.Context, from io.Reader, fn func(Entry, io.Reader) error) error {
	return each(ctx, from, false, fn)
}

// each is Each. If links is true it accepts symbolic links too.
func each(ctx context.Context, from io.Reader, links bool, fn func(Entry, io.Reader) error) error {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer z.Close()
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return rest(z)
		case err != nil:
			return fmt.Errorf("read archive: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		entry := Entry{strings.TrimSuffix(header.Name, "/"), header.FileInfo()}
		if err := check(header, entry.Path, links); err != nil {
			return err
		}
		if err := fn(entry, archive); err != nil {
			return err
		}
	}
}

// rest reads the bytes after the archive, so that all of the content is read and verified. Only
// a small number of zeros is allowed there.
func rest(z io.Reader) error {
	const most = 1 << 20
	n, err := io.Copy(io.Discard, io.LimitReader(z, most+1))
	if err == nil && n > most {
		err = errors.New("data follows the end of the archive")
	}
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	return nil
}

func check(h *tar.Header, name string, links bool) error {
	switch {
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir && (h.Typeflag != tar.TypeSymlink || !links):
		return fmt.Errorf("refused: %q in the archive is a link or a special file", name)
	case name == "." || !filepath.IsLocal(name) || path.Clean(name) != name:
		return fmt.Errorf("refused: %q in the archive is no path below the directory", name)
	}
	return nil
}

// ConflictError reports two different files at one path.
type ConflictError struct{ Path string }

func (e *ConflictError) Error() string { return fmt.Sprintf("two different files at %q", e.Path) }

// Unpacker unpacks archives into one directory. It replaces files that were there before.
type Unpacker struct {
	Root *os.Root
	// Check, if set, is called every checkEvery bytes; its error ends the unpacking.
	Check func() error
	// Links accepts archives with symbolic links and creates them, even those that leave the
	// directory. No file is unpacked through a link that leaves the directory.
	Links bool

	files map[string]bool // the unpacked paths
	dir   string          // the last one that was created
	bytes int64
	keep  bool     // existing files stay
	made  []string // the created paths in order, if keep is set
}

// Unpack unpacks an archive and returns the number of its files. If an earlier archive had a file
// at the same path, the same content is accepted and other content is a ConflictError.
func (u *Unpacker) Unpack(ctx context.Context, from io.Reader) (files int, err error) {
	err = each(ctx, from, u.Links, func(e Entry, content io.Reader) error {
		if !e.IsDir() {
			files++
		}
		return u.entry(e, content)
	})
	return files, err
}

// UnpackParts unpacks an archive of PackParts, each part into the directory of its name, and
// returns the number of files in the archive. Existing files stay. UnpackParts reads from to its
// end. After any error it removes all files that it has unpacked. For check see Unpacker.
func UnpackParts(ctx context.Context, from io.Reader, parts map[string]*os.Root, check func() error) (files int, err error) {
	into := map[string]*Unpacker{}
	for name, root := range parts {
		into[name] = &Unpacker{Root: root, Check: check, Links: true, keep: true}
	}
	err = each(ctx, from, true, func(e Entry, content io.Reader) error {
		name, rest, below := strings.Cut(e.Path, "/")
		u := into[name]
		if u == nil || !below {
			return fmt.Errorf("refused: %q in the archive is in none of the directories", e.Path)
		}
		if e.Path = rest; !e.IsDir() {
			files++
		}
		return u.entry(e, content)
	})
	if err == nil {
		_, err = io.Copy(io.Discard, from)
	}
	if err != nil {
		for _, u := range into {
			u.undo()
		}
	}
	return files, err
}

func (u *Unpacker) entry(e Entry, content io.Reader) error {
	if u.files == nil {
		u.files = map[string]bool{}
	}
	if u.keep {
		if _, err := u.Root.Lstat(e.Path); err == nil {
			return nil
		}
	}
	switch {
	case e.IsDir():
		if u.keep {
			u.made = append(u.made, e.Path)
		}
		return u.directory(e.Path)
	case e.Mode()&fs.ModeSymlink != 0:
		return u.link(e)
	}
	return u.file(e, content)
}

// undo removes the created files, and then the directories that are empty.
func (u *Unpacker) undo() {
	for _, made := range slices.Backward(u.made) {
		for name := made; name != "." && u.Root.Remove(name) == nil; {
			name = path.Dir(name)
		}
	}
}

func (u *Unpacker) directory(name string) error {
	if name == u.dir { // a directory is never replaced
		return nil
	}
	for dir := name; dir != "."; dir = path.Dir(dir) {
		if u.files[dir] {
			return &ConflictError{dir}
		}
	}
	err := u.Root.MkdirAll(name, 0o755)
	if err == nil {
		u.dir = name
	}
	return err
}

func (u *Unpacker) file(e Entry, content io.Reader) error {
	if u.files[e.Path] {
		return u.compare(e.Path, content)
	}
	if err := u.directory(path.Dir(e.Path)); err != nil {
		return err
	}
	f, err := u.create(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(counted{f, u}, content); err != nil {
		return err
	}
	u.files[e.Path] = true
	if err := f.Chmod(e.Mode().Perm() | 0o600); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return u.Root.Chtimes(e.Path, e.ModTime(), e.ModTime())
}

// compare returns a ConflictError unless the file has the content.
func (u *Unpacker) compare(name string, content io.Reader) error {
	f, err := u.Root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, ended, err := readFull(content, a)
		if err != nil {
			return err
		}
		m, _, err := readFull(f, b)
		if err != nil {
			return err
		}
		if !bytes.Equal(a[:n], b[:m]) {
			return &ConflictError{name}
		}
		if ended {
			return nil
		}
	}
}

// readFull fills p, unless the content ends.
func readFull(from io.Reader, p []byte) (n int, ended bool, err error) {
	n, err = io.ReadFull(from, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return n, true, nil
	}
	return n, false, err
}

// link creates a link. It replaces an existing file, but no directory.
func (u *Unpacker) link(e Entry) error {
	if err := u.directory(path.Dir(e.Path)); err != nil {
		return err
	}
	f, err := u.create(e)
	if err != nil {
		return err
	}
	f.Close()
	if err := u.Root.Remove(e.Path); err != nil {
		return err
	}
	return u.Root.Symlink(e.Sys().(*tar.Header).Linkname, e.Path)
}

// create creates a file. It replaces an existing file, but no directory.
func (u *Unpacker) create(e Entry) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL | unix.O_NOFOLLOW
	f, err := u.Root.OpenFile(e.Path, flags, 0o600)
	if err == nil && u.keep {
		u.made = append(u.made, e.Path)
	}
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	info, err := u.Root.Lstat(e.Path)
	if err == nil && info.IsDir() {
		return nil, &ConflictError{e.Path}
	}
	if err == nil {
		err = u.Root.Remove(e.Path)
	}
	if err != nil {
		return nil, err
	}
	return u.Root.OpenFile(e.Path, flags, 0o600)
}

// counted calls Check for every checkEvery bytes.
type counted struct {
	io.Writer
	u *Unpacker
}

// checkEvery is the number of bytes between two calls of Check, here and in a Spool.
const checkEvery = 16 << 20

func (c counted) Write(p []byte) (int, error) {
	before := c.u.bytes / checkEvery
	c.u.bytes += int64(len(p))
	if c.u.Check != nil && c.u.bytes/checkEvery != before {
		if err := c.u.Check(); err != nil {
			return 0, err
		}
	}
	return c.Writer.Write(p)
}
