package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// Packed describes the content of an archive.
type Packed struct {
	Files, Directories int
	// Skipped are selected files that are missing in the archive, or damaged there, at most
	// MaxSkipped. Others is the number of the rest.
	Skipped []string
	Others  int
}

// MaxSkipped bounds the list of skipped files.
const MaxSkipped = 10

// Empty reports whether nothing was selected.
func (p Packed) Empty() bool { return p.Files+p.Directories == 0 }

func (p *Packed) skip(name, why string) {
	if len(p.Skipped) == MaxSkipped {
		p.Others++
		return
	}
	p.Skipped = append(p.Skipped, fmt.Sprintf("%q %s", name, why))
}

// Pack writes an archive of the selected files of a directory. A link to a file in the
// directory is packed as that file; a link to a directory, or to anything outside, is not.
func Pack(ctx context.Context, root *os.Root, globs Globs, to io.Writer) (p Packed, err error) {
	return (&packer{root: root, globs: globs, out: &p}).pack(ctx, to)
}

// PackReading is Pack that also passes the content of each file to read. The function read may
// return before the end of the content.
func PackReading(ctx context.Context, root *os.Root, globs Globs, to io.Writer, read func(name string, content io.Reader)) (p Packed, err error) {
	return (&packer{root: root, globs: globs, read: read, out: &p}).pack(ctx, to)
}

// PackTree writes an archive of a whole directory. Links stay links, even those that leave the
// directory, so only an Unpacker with Links unpacks the archive.
func PackTree(ctx context.Context, root *os.Root, to io.Writer) (p Packed, err error) {
	all, err := NewGlobs([]string{"**"})
	if err != nil {
		return p, err
	}
	return (&packer{root: root, globs: all, links: true, out: &p}).pack(ctx, to)
}

// Part is a directory with globs that select files, and the name of the directory that these
// files have in an archive of several parts.
type Part struct {
	Name  string
	Root  *os.Root
	Globs Globs
}

// PackParts writes one archive of the selected files of several directories. Links stay links,
// so only UnpackParts unpacks the archive.
func PackParts(ctx context.Context, parts []Part, to io.Writer) (p Packed, err error) {
	a := &packer{links: true, out: &p}
	return a.write(to, func() error {
		for _, part := range parts {
			a.root, a.globs, a.below = part.Root, part.Globs, part.Name
			if err := a.walk(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// PackFiles is PackTree for a list of paths in the directory. Directories and missing files are
// left out.
func PackFiles(ctx context.Context, root *os.Root, names []string, to io.Writer) (p Packed, err error) {
	a := &packer{root: root, links: true, out: &p}
	a.list = slices.Compact(slices.Sorted(slices.Values(names)))
	return a.pack(ctx, to)
}

func (a *packer) pack(ctx context.Context, to io.Writer) (Packed, error) {
	return a.write(to, func() error {
		if a.list != nil {
			return a.each(ctx)
		}
		return a.walk(ctx)
	})
}

// write writes an archive with the entries that files adds.
func (a *packer) write(to io.Writer, files func() error) (Packed, error) {
	z, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return *a.out, err
	}
	a.tar = tar.NewWriter(z)
	if err = files(); err == nil {
		err = a.tar.Close()
	}
	return *a.out, errors.Join(err, z.Close())
}

type packer struct {
	root  *os.Root
	globs Globs
	links bool                                 // links are packed as links
	list  []string                             // the paths to pack; nil for those that the globs select
	read  func(name string, content io.Reader) // nil if no file is read
	below string                               // the directory of the files in the archive; "" for none
	tar   *tar.Writer
	out   *Packed
}

func (a *packer) walk(ctx context.Context) error {
	return walker{a.root, a.globs, a.out.skip, a.entry}.walk(ctx, ".")
}

// entry packs a selected path.
func (a *packer) entry(name string, kind fs.FileMode) error {
	switch {
	case kind.IsDir():
		return a.directory(name)
	case kind&fs.ModeSymlink != 0:
		return a.link(name)
	case !kind.IsRegular():
		a.out.skip(name, "is no regular file")
		return nil
	}
	return a.file(name)
}

// each packs the files of the list.
func (a *packer) each(ctx context.Context) error {
	for _, name := range a.list {
		info, err := a.root.Lstat(name)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir():
			continue
		case err != nil:
			a.out.skip(name, "cannot be read: "+cause(err).Error())
			continue
		case info.Mode()&fs.ModeSymlink != 0:
			err = a.link(name)
		default:
			err = a.file(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// directory packs an empty directory. Other directories follow from the paths of their files.
func (a *packer) directory(name string) error {
	info, err := a.root.Stat(name)
	if err != nil {
		return nil // it has disappeared
	}
	a.out.Directories++
	return a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path.Join(a.below, name) + "/", Mode: int64(info.Mode().Perm()), ModTime: info.ModTime().Truncate(time.Second), Format: tar.FormatPAX})
}

func (a *packer) link(name string) error {
	if a.links {
		return a.keepLink(name)
	}
	info, err := a.root.Stat(name)
	switch {
	case err != nil:
		a.out.skip(name, "is a link to nothing in the directory")
	case !info.Mode().IsRegular():
		a.out.skip(name, "is a link to a directory or a special file")
	default:
		return a.file(name)
	}
	return nil
}

// keepLink packs a link as a link.
func (a *packer) keepLink(name string) error {
	to, err := a.root.Readlink(name)
	if err != nil {
		a.out.skip(name, "cannot be read: "+cause(err).Error())
		return nil
	}
	a.out.Files++
	return a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path.Join(a.below, name), Linkname: to, Mode: 0o777, Format: tar.FormatPAX})
}

// file packs a file. It returns only errors of the archive; a problem of the file is reported in
// Skipped.
func (a *packer) file(name string) error {
	f, err := a.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		a.out.skip(name, "cannot be read: "+cause(err).Error())
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		a.out.skip(name, "is no regular file any more")
		return nil
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: path.Join(a.below, name), Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime().Truncate(time.Second), Format: tar.FormatPAX,
	}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	a.out.Files++
	n, err := a.copy(name, source{io.LimitReader(f, info.Size())})
	if err == nil && n == info.Size() {
		return nil
	}
	var broken *readError
	if err != nil && !errors.As(err, &broken) {
		return err
	}
	a.out.skip(name, "became shorter while it was read, and ends with zeros")
	_, err = io.CopyN(a.tar, zeros{}, info.Size()-n)
	return err
}

// copy copies a file into the archive, and passes it to read on the way.
func (a *packer) copy(name string, from io.Reader) (int64, error) {
	if a.read == nil {
		return io.Copy(a.tar, from)
	}
	on := &passing{from: from, to: a.tar}
	a.read(name, on)
	if on.err != nil {
		return on.n, on.err
	}
	n, err := io.Copy(a.tar, from)
	return on.n + n, err
}

// passing also writes the bytes that are read from it.
type passing struct {
	from io.Reader
	to   io.Writer
	n    int64 // written
	err  error // of from or to, io.EOF excepted
}

func (p *passing) Read(data []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.from.Read(data)
	if n > 0 {
		var written int
		written, p.err = p.to.Write(data[:n])
		p.n += int64(written)
	}
	switch {
	case p.err != nil:
		return n, p.err
	case err != io.EOF:
		p.err = err
	}
	return n, err
}

// source marks errors of reading, as opposed to those of the archive.
type source struct{ io.Reader }

type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (s source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// cause is the error of the system without the path.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
