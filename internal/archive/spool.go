package archive

import (
	"crypto/sha256"
	"hash"
	"os"
)

// Spool is an unnamed file for an archive to upload. An upload needs the digest before the first
// part, and may send any part again.
type Spool struct {
	file  *os.File
	check func() error
	hash  hash.Hash
	size  int64
}

// NewSpool creates a file in a directory, the default one for temporary files if dir is
// empty. Check, if not nil, is called every checkEvery bytes; its error ends the writing. The
// caller must call Close.
func NewSpool(dir string, check func() error) (*Spool, error) {
	file, err := os.CreateTemp(dir, "hodei-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	return &Spool{file: file, check: check, hash: sha256.New()}, nil
}

// Write appends to the file.
func (s *Spool) Write(p []byte) (int, error) {
	if s.check != nil && (s.size == 0 || (s.size+int64(len(p)))/checkEvery != s.size/checkEvery) {
		if err := s.check(); err != nil {
			return 0, err
		}
	}
	s.hash.Write(p)
	n, err := s.file.Write(p)
	s.size += int64(n)
	return n, err
}

// ReadAt reads bytes that were written.
func (s *Spool) ReadAt(p []byte, offset int64) (int, error) { return s.file.ReadAt(p, offset) }

// Sum returns the SHA-256 and the number of the bytes that were written.
func (s *Spool) Sum() (sum [sha256.Size]byte, size int64) {
	return [sha256.Size]byte(s.hash.Sum(nil)), s.size
}

// Close deletes the file.
func (s *Spool) Close() { s.file.Close() }
