package worker

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
)

const hexDigits = "0123456789abcdef"

// appendHead appends what all lines of a stream that were read together begin
// with. The stamp is their timestamp as RFC 3339 text.
func appendHead(dst, stamp []byte, stream hodei.Stream) []byte {
	dst = append(append(dst, `{"timestamp":"`...), stamp...)
	dst = append(append(dst, `","stream":"`...), stream...)
	return append(dst, `","line":"`...)
}

// appendText appends the inside of a JSON string, in which what is not UTF-8
// becomes U+FFFD, byte by byte. What needs no escape, nearly everything, is copied
// at once.
func appendText(dst, text []byte) []byte {
	start := 0
	for i := plain(text); i < len(text); i += plain(text[i:]) {
		c := text[i]
		if c < utf8.RuneSelf {
			dst = appendEscape(append(dst, text[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, text[start:i]...), "\uFFFD"...)
			start = i + 1
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			dst = append(append(dst, text[start:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(dst, text[start:]...)
}

// plain is how many bytes from the first on are ASCII that needs no escape. It
// looks at eight at a time: in a flood of lines this was a twentieth of the
// worker's time byte by byte.
func plain(text []byte) int {
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

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
