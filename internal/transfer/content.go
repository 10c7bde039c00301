package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/hodei-jobs/hodei"
)

// ErrWrong is wrapped by the error for content with a wrong size or digest.
var ErrWrong = errors.New("wrong content")

// Content reads content from its beginning and computes its digest.
type Content struct {
	from *Reader
	want hodei.Blob
	hash hash.Hash
	size int64
}

// Open starts to read. The caller must call Close.
func Open(ctx context.Context, w Wire, b hodei.Blob) *Content {
	return &Content{from: NewReader(ctx, w, b, 0), want: b, hash: sha256.New()}
}

// Read returns the next bytes. At the end it returns io.EOF, or the error of Err.
func (c *Content) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.hash.Write(p[:n])
	c.size += int64(n)
	if err == io.EOF {
		if wrong := c.Err(); wrong != nil {
			err = wrong
		}
	}
	return n, err
}

// Err returns nil if all of the content was read and its size and digest are right.
func (c *Content) Err() error {
	if c.size != c.want.Size || hodei.DigestOf([sha256.Size]byte(c.hash.Sum(nil))) != c.want.SHA256 {
		return fmt.Errorf("%w: the %d bytes that arrived are not those of %s", ErrWrong, c.size, c.want.SHA256)
	}
	return nil
}

// Close ends the requests in flight, and returns nil when they have ended.
func (c *Content) Close() error {
	c.from.Close()
	return nil
}
