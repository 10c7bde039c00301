package logchunk

import (
	"hash/crc32"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest identifies the content of a log: the sum, modulo 2^63, of the CRC-32C of
// its chunks' bodies. The order in which chunks arrive does not change it. See
// hodei.Outcome.LogDigest.
type Digest int64

// Add adds a chunk.
func (d *Digest) Add(b Body) { *d = (*d + b.Digest()) & math.MaxInt64 }

// Digest is the digest of one chunk: of the bytes that are sent and stored, which
// are a tenth of the lines'. A chunk never changes, so it needs no digest of each line.
func (b Body) Digest() Digest { return Digest(crc32.Checksum(b.Lines, castagnoli)) }
