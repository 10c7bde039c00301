package blob

import (
	"cmp"
	"context"
	"slices"

	"github.com/hodei-jobs/hodei"
)

// Store stores content. Its methods may be called concurrently.
type Store interface {
	// Write writes a part of an upload.
	Write(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error
	// Received returns how many bytes at the start of an upload have arrived.
	Received(ctx context.Context, id hodei.BlobID) (int64, error)
	// Complete makes an upload readable if it has the size and the digest. Otherwise it
	// deletes the upload and returns ErrDamaged. A repeat changes nothing.
	Complete(ctx context.Context, id hodei.BlobID, want hodei.Blob) error
	// Read fills data from the offset and returns how many bytes there were. Content that
	// is not complete is NOT_FOUND.
	Read(ctx context.Context, id hodei.BlobID, offset int64, data []byte) (int, error)
	// Delete deletes content and parts, if there are any.
	Delete(ctx context.Context, id hodei.BlobID) error
}

// ErrDamaged is the error for content with a wrong size or digest.
var ErrDamaged = hodei.Errorf(hodei.Conflict, "The content that has arrived is not that of the digest; it must be sent again")

// part is a range of bytes of an upload.
type part struct{ offset, size int64 }

// cover sorts the parts, drops parts that lie within others, and returns the number of bytes
// from the start that the remaining parts contain without a gap. A byte of that range is in the
// last part that begins at or before it.
func cover(parts []part) (rest []part, end int64) {
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.offset, b.offset) })
	for _, p := range parts {
		if p.offset > end {
			break
		}
		if p.offset+p.size > end {
			rest, end = append(rest, p), p.offset+p.size
		}
	}
	return rest, end
}
