package logchunk

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Zstd is the Content-Encoding of a chunk whose body is a zstd frame. A body without
// a Content-Encoding is NDJSON.
const Zstd = "zstd"

const (
	// CompressFrom is the least NDJSON, in bytes, that is compressed. Smaller chunks
	// remain readable with `nats sub`, and compressing them saves little.
	CompressFrom = 4 << 10
	// MaxSize is the most NDJSON, in bytes, that a chunk may have: a reply of
	// logs.read, which is one NATS message, has room for one chunk.
	MaxSize = 1 << 20
)

// The fastest level makes the output of builds about ten times smaller, at several
// hundred megabytes a second. A checksum in each frame is not needed: the digest of
// the log covers every line.
var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithWindowSize(MaxSize), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false)) // the options are valid
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true)) // likewise
)

// frames holds buffers to compress into. A frame is copied out of its buffer: the
// buffer has room for all the NDJSON, which is about ten times as much.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// slack is spare capacity of the decoder's output, with which it need not check
// each copy for the end.
const slack = 16

// Body is the lines of a chunk.
type Body struct {
	// Lines is a zstd frame of NDJSON, or NDJSON when Size is 0.
	Lines []byte
	// Size is the number of bytes that the frame decompresses to.
	Size int
}

// Compress returns the body of NDJSON, which it copies. Short NDJSON, and NDJSON that
// would not get smaller, is not compressed.
func Compress(ndjson []byte) Body {
	if len(ndjson) < CompressFrom {
		return Body{Lines: bytes.Clone(ndjson)}
	}
	frame := frames.Get().(*[]byte)
	defer frames.Put(frame)
	*frame = encoder.EncodeAll(ndjson, (*frame)[:0])
	if len(*frame) >= len(ndjson) {
		return Body{Lines: bytes.Clone(ndjson)}
	}
	return Body{Lines: bytes.Clone(*frame), Size: len(ndjson)}
}

// Parse returns the body of a message, given its Content-Encoding. It reads only the
// header of a frame.
func Parse(data []byte, encoding string) (Body, error) {
	switch {
	case encoding == "" && len(data) <= MaxSize:
		return Body{Lines: data}, nil
	case encoding == "":
		return Body{}, fmt.Errorf("chunk of %d bytes: at most %d are allowed", len(data), MaxSize)
	case encoding != Zstd:
		return Body{}, fmt.Errorf("Content-Encoding %.40q is not supported: use %q or none", encoding, Zstd)
	}
	var header zstd.Header
	if err := header.Decode(data); err != nil {
		return Body{}, fmt.Errorf("zstd frame: %w", err)
	}
	if size := header.FrameContentSize; !header.HasFCS || size < 1 || size > MaxSize {
		return Body{}, fmt.Errorf("zstd frame: the content size %d is not declared, or not between 1 and %d bytes", size, MaxSize)
	}
	return Body{Lines: data, Size: int(header.FrameContentSize)}, nil
}

// Encoding is the Content-Encoding of the body, "" for none.
func (b Body) Encoding() string {
	if b.Size > 0 {
		return Zstd
	}
	return ""
}

// Len is the number of bytes of NDJSON.
func (b Body) Len() int { return max(b.Size, len(b.Lines)) }

var errSize = errors.New("zstd frame: it does not decompress to the size that is declared")

// AppendTo appends the NDJSON. It fails, and appends nothing, when the frame is
// damaged or decompresses to another size.
func (b Body) AppendTo(dst []byte) ([]byte, error) {
	if b.Size == 0 {
		return append(dst, b.Lines...), nil
	}
	if b.Size > MaxSize {
		return dst, errSize
	}
	dst = slices.Grow(dst, b.Size+slack)
	mark, end := len(dst), len(dst)+b.Size
	// The decoder writes no further than this capacity.
	out, err := decoder.DecodeAll(b.Lines, dst[mark:mark:end+slack])
	if err != nil {
		return dst, fmt.Errorf("zstd frame: %w", err)
	}
	if len(out) != b.Size {
		return dst, errSize
	}
	return dst[:end], nil
}

// NDJSON returns the NDJSON. It may share memory with the body.
func (b Body) NDJSON() ([]byte, error) {
	if b.Size == 0 {
		return b.Lines, nil
	}
	return b.AppendTo(nil)
}
