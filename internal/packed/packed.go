package packed

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// least is from how many bytes on lines are packed: fewer would save no page.
const least = 512

// The fastest level makes lines about ten times smaller, at a gigabyte a second.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)) // the options are valid
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
)

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
		if frame := packer.EncodeAll(ndjson, make([]byte, 0, len(ndjson)/4)); len(frame) < len(ndjson) {
			return Text{Lines: frame, Size: len(ndjson)}
		}
	}
	return Text{Lines: ndjson}
}

// Unpack returns the NDJSON. It fails when the frame is damaged.
func (t Text) Unpack() ([]byte, error) {
	if t.Size == 0 {
		return t.Lines, nil
	}
	ndjson, err := unpacker.DecodeAll(t.Lines, make([]byte, 0, t.Size))
	if err != nil {
		return nil, fmt.Errorf("unpack lines: %w", err)
	}
	if len(ndjson) != t.Size {
		return nil, fmt.Errorf("unpack lines: %d bytes, not %d", len(ndjson), t.Size)
	}
	return ndjson, nil
}
