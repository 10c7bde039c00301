package blob

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// Dir stores content in a directory. Several instances may use one that they share.
type Dir struct{ root *os.Root }

// OpenDir opens the directory and creates it if it is missing. The caller must call Close.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open the store of artifacts: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the store of artifacts: %w", err)
	}
	return &Dir{root}, errors.Join(mkdir(root, uploads), mkdir(root, blobs))
}

const (
	uploads = "uploads"
	blobs   = "blobs"
)

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// An upload is two files: the content, and the list of its parts, each as two numbers of
// eight bytes. The list is appended to after the part was written.
func uploadOf(id hodei.BlobID) (content, list string) {
	path := filepath.Join(uploads, id.String())
	return path, path + ".parts"
}

// fileOf spreads the files over directories by the last byte of the id, which is random.
func fileOf(id hodei.BlobID) string {
	return filepath.Join(blobs, fmt.Sprintf("%02x", id[len(id)-1]), id.String())
}

// Write writes a part.
func (d *Dir) Write(_ context.Context, id hodei.BlobID, offset int64, data []byte) error {
	content, list := uploadOf(id)
	err := d.write(content, os.O_WRONLY|os.O_CREATE, func(f *os.File) error {
		_, err := f.WriteAt(data, offset)
		return err
	})
	if err != nil {
		return err
	}
	return d.write(list, os.O_WRONLY|os.O_CREATE|os.O_APPEND, func(f *os.File) error {
		_, err := f.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(offset)), uint64(len(data))))
		return err
	})
}

func (d *Dir) write(path string, flags int, fn func(*os.File) error) error {
	f, err := d.root.OpenFile(path, flags, 0o600)
	if err == nil {
		err = errors.Join(fn(f), f.Close())
	}
	return full(err)
}

// full replaces the error of a full disk with one for users.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &hodei.Error{Code: hodei.Unavailable, Message: "the disk of the store of artifacts is full; free some space, or delete artifacts", Err: err}
	}
	return err
}

// Received reads the list of parts.
func (d *Dir) Received(_ context.Context, id hodei.BlobID) (int64, error) {
	_, list := uploadOf(id)
	data, err := d.root.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var parts []part
	for ; len(data) >= 16; data = data[16:] {
		parts = append(parts, part{int64(binary.BigEndian.Uint64(data)), int64(binary.BigEndian.Uint64(data[8:]))})
	}
	_, end := cover(parts)
	return end, nil
}

// Complete verifies the upload and moves it into place.
func (d *Dir) Complete(ctx context.Context, id hodei.BlobID, want hodei.Blob) error {
	path := fileOf(id)
	if d.complete(path, want) {
		return nil
	}
	content, list := uploadOf(id)
	err := d.write(content, os.O_RDWR|os.O_CREATE, func(f *os.File) error {
		synced := make(chan error, 1)
		go func() { synced <- f.Sync() }() // in parallel with the hashing, which uses the processor
		return errors.Join(verify(contextual{ctx, f}, want), <-synced)
	})
	if errors.Is(err, ErrDamaged) {
		return errors.Join(err, remove(d.root, content), remove(d.root, list))
	}
	if err == nil {
		err = d.place(content, path, want)
	}
	if err != nil {
		return full(err)
	}
	return remove(d.root, list)
}

// place renames a verified upload to the path of its content, and syncs the directories.
func (d *Dir) place(upload, to string, want hodei.Blob) error {
	dir := filepath.Dir(to)
	if err := mkdir(d.root, dir); err != nil {
		return err
	}
	if err := d.root.Rename(upload, to); err != nil && !d.complete(to, want) { // unless a repeat of the request has
		return err
	}
	return errors.Join(d.sync(dir), d.sync(blobs))
}

// verify reads content and compares it with its size and digest.
func verify(content io.Reader, want hodei.Blob) error {
	hash := sha256.New()
	n, err := io.Copy(hash, content)
	if err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	if n != want.Size || hodei.DigestOf([sha256.Size]byte(hash.Sum(nil))) != want.SHA256 {
		return ErrDamaged
	}
	return nil
}

// complete reports whether the content is in its final place.
func (d *Dir) complete(path string, want hodei.Blob) bool {
	info, err := d.root.Stat(path)
	return err == nil && info.Size() == want.Size
}

// sync makes the entries of a directory durable.
func (d *Dir) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Read reads from complete content.
func (d *Dir) Read(_ context.Context, id hodei.BlobID, offset int64, data []byte) (int, error) {
	path := fileOf(id)
	f, err := d.root.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hodei.Missing("blob", id.String())
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Delete removes the files.
func (d *Dir) Delete(_ context.Context, id hodei.BlobID) error {
	content, list := uploadOf(id)
	path := fileOf(id)
	return errors.Join(remove(d.root, path), remove(d.root, content), remove(d.root, list))
}

func mkdir(root *os.Root, dir string) error {
	if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func remove(root *os.Root, path string) error {
	if err := root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// contextual is a reader that returns an error once its context is done.
type contextual struct {
	ctx context.Context
	io.Reader
}

func (c contextual) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
