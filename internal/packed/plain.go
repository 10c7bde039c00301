package packed

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Plain is how many bytes from the first on are ASCII that needs no escape. It
// looks at eight at a time: byte by byte this was a twentieth of the worker's time in
// a flood of lines, and as much of the worker manager's, which checks them.
func Plain(text []byte) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		// The lowest of these bytes whose high bit ends up set is the first that is
		// not ASCII, below a space, a quote, or a backslash; a borrow can only have
		// come from a lower one.
		w := binary.LittleEndian.Uint64(text[n:])
		if found := (w | (w - each*' ') | ((w ^ each*'"') - each) | ((w ^ each*'\\') - each)) & high; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(text); n++ {
		if c := text[n]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
	}
	return n
}
