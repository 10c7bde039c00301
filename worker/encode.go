package worker

import (
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
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
	for i := packed.Plain(text); i < len(text); i += packed.Plain(text[i:]) {
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
