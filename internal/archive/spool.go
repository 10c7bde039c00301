package archive

import (
	"crypto/sha256"
	"hash"
	"os"
)

// Spool is a file without a name for an archive that is to be stored: its digest is needed
// before the first part is sent, and any part may be sent again.
type Spool struct {
	file  *os.File
	check func() error
	hash  hash.Hash
	size  int64
}

// NewSpool creates a file in a directory, the default one for temporary files if dir is
// empty. Check, if not nil, is called now and then, and ends the writing with its error. Close
// must be called.
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

// Write appends to the content.
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

// ReadAt reads what was written.
func (s *Spool) ReadAt(p []byte, offset int64) (int, error) { return s.file.ReadAt(p, offset) }

// Sum is the SHA-256 and the number of the bytes that were written.
func (s *Spool) Sum() (sum [sha256.Size]byte, size int64) {
	return [sha256.Size]byte(s.hash.Sum(nil)), s.size
}

// Close deletes the file.
func (s *Spool) Close() { s.file.Close() }
