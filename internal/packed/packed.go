package packed

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// least is from how many bytes on lines are packed: fewer would save no page.
const least = 512

// most is how many bytes of NDJSON a frame may hold. A chunk is cut at 64 KiB, or
// is one line that was split off at 16 KiB, which is below that even if all of it
// is escaped.
const most = 1 << 20

// slack is how many bytes more than are decoded let the decoder write without
// looking at each end.
const slack = 16

// The fastest level makes lines about ten times smaller, at a gigabyte a second.
// Without a window of our choice that level would take a text of more than 64 KiB
// in parts, and keep eight megabytes for what came before each. A checksum in each
// frame took a thirtieth of all that a flood costs, and would tell nothing new: that
// what was recorded is what was said is told by its digest.
var (
	packer, _ = zstd.NewWriter(nil, zstd.WithWindowSize(most), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false)) // the options are valid
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(most))
)

// frames is the room in which frames are made, before they are as small as they
// will be: with room of its own each would hold sixteen times what it needs.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// Text is lines of NDJSON as they are kept.
type Text struct {
	// Lines is a zstd frame, or the NDJSON itself when Size is 0.
	Lines []byte `json:"lines"`
	// Size is the number of bytes of NDJSON in the frame.
	Size int `json:"size,omitempty"`
}

// Pack returns the text of NDJSON, which must not be changed afterwards: lines
// that are few, or do not get smaller, stay what they are.
func Pack(ndjson []byte) Text {
	if len(ndjson) >= least {
		room := frames.Get().(*[]byte)
		defer frames.Put(room)
		if *room = packer.EncodeAll(ndjson, (*room)[:0]); len(*room) < len(ndjson) {
			return Text{Lines: bytes.Clone(*room), Size: len(ndjson)}
		}
	}
	return Text{Lines: ndjson}
}

// Read returns the text of a message: its body is a frame if it says how many
// bytes of NDJSON are in it, at most a MiB, else NDJSON.
func Read(body []byte, size string) (Text, error) {
	if size == "" {
		return Text{Lines: body}, nil
	}
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n > most {
		return Text{}, fmt.Errorf("packed lines: size %q", size)
	}
	return Text{Lines: body, Size: n}, nil
}

// Unpack returns the NDJSON. It fails when the frame is damaged.
func (t Text) Unpack() ([]byte, error) {
	if t.Size == 0 {
		return t.Lines, nil
	}
	return t.AppendTo(nil)
}

// AppendTo appends the NDJSON. It fails, and appends nothing, when the frame is
// damaged.
func (t Text) AppendTo(dst []byte) ([]byte, error) {
	if t.Size == 0 {
		return append(dst, t.Lines...), nil
	}
	dst = slices.Grow(dst, t.Size+slack)
	// Into the room behind what is there: given that too, it decodes elsewhere and
	// copies. That it uses that room is not promised, hence the append.
	ndjson, err := unpacker.DecodeAll(t.Lines, dst[len(dst):])
	if err != nil {
		return dst, fmt.Errorf("unpack lines: %w", err)
	}
	if len(ndjson) != t.Size {
		return dst, fmt.Errorf("unpack lines: %d bytes, not %d", len(ndjson), t.Size)
	}
	return append(dst, ndjson...), nil
}
