package logchunk

import (
	"hash/crc32"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest identifies the content of a log: the sum, modulo 2^63, of
// the CRC-32C of each line's JSON. The order in which chunks arrive, and how a log is
// divided into chunks, does not change it. See hodei.Outcome.LogDigest.
type Digest int64

// Add adds the JSON of a line, without its newline.
func (d *Digest) Add(line []byte) {
	*d = (*d + Digest(crc32.Checksum(line, castagnoli))) & math.MaxInt64
}
