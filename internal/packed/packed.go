package packed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// least is from how many bytes on lines are packed: fewer would save no page.
const least = 512

// most is how many bytes of NDJSON a frame may stand for. A chunk is cut at 64 KiB,
// or at 128 KiB and 2000 lines in runs, and may be a line larger than that: of
// 16 KiB, or six times that if all of it is escaped.
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

// rooms is where frames are made, before they are as small as they will be, and
// where runs are unpacked: with room of its own each frame would hold sixteen
// times what it needs.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// Text is lines as they are kept.
type Text struct {
	// Lines is a zstd frame, or NDJSON when Size is 0.
	Lines []byte `json:"lines"`
	// Size is the number of bytes of NDJSON that the frame stands for.
	Size int `json:"size,omitempty"`
}

// Pack returns the text of NDJSON, which must not be changed afterwards, nor begin
// as runs do: lines that are few, or do not get smaller, stay what they are.
func Pack(ndjson []byte) Text {
	if text, ok := pack(ndjson, len(ndjson)); ok {
		return text
	}
	return Text{Lines: ndjson}
}

// pack makes a frame of lines that stand for so many bytes of NDJSON, unless these
// are few or it would not be smaller.
func pack(lines []byte, size int) (text Text, ok bool) {
	if size < least {
		return Text{}, false
	}
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	if *room = packer.EncodeAll(lines, (*room)[:0]); len(*room) >= size {
		return Text{}, false
	}
	return Text{Lines: bytes.Clone(*room), Size: size}, true
}

// Read returns the text of a message: its body is a frame if it says how many
// bytes of NDJSON that stands for, at most a MiB, else NDJSON.
func Read(body []byte, size string) (Text, error) {
	if size == "" && Lines(body).inRuns() {
		return Text{}, errors.New("lines in runs: no size")
	}
	if size == "" {
		return Text{Lines: body}, nil
	}
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n > most {
		return Text{}, fmt.Errorf("packed lines: size %q", size)
	}
	return Text{Lines: body, Size: n}, nil
}

// Unpack returns the NDJSON of lines, the first of which has the given sequence.
// It fails when the frame is damaged.
func (t Text) Unpack(first int64) ([]byte, error) {
	if t.Size == 0 {
		return t.Lines, nil
	}
	return t.AppendTo(nil, first)
}

// AppendTo appends the NDJSON of lines, the first of which has the given
// sequence. It fails, and appends nothing, when the frame is damaged.
func (t Text) AppendTo(dst []byte, first int64) ([]byte, error) {
	if t.Size == 0 {
		return append(dst, t.Lines...), nil
	}
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	lines, err := t.Open(*room)
	if err != nil {
		return dst, err
	}
	*room = lines
	mark := len(dst)
	dst = lines.appendTo(slices.Grow(dst, t.Size), first, t.Size)
	if n := len(dst) - mark; n != t.Size {
		return dst[:mark], fmt.Errorf("unpack lines: %d bytes, not %d", n, t.Size)
	}
	return dst, nil
}

// Open returns the lines of a frame, in the room given if that suffices. It fails
// when that cannot be unpacked; that they are as many as is said is not looked at.
func (t Text) Open(room []byte) (Lines, error) {
	lines, err := unpacker.DecodeAll(t.Lines, slices.Grow(room[:0], t.Size+slack))
	if err != nil {
		return nil, fmt.Errorf("unpack lines: %w", err)
	}
	return lines, nil
}
