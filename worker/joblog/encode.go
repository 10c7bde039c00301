package joblog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
)

// The JSON of a line is that of encoding/json for a hodei.LogLine, except that
// <, > and & are not escaped. encoding/json takes ten times as long.

// appendHead appends the JSON of a line up to its text.
func appendHead(dst []byte, at time.Time, stream hodei.Stream) []byte {
	dst = at.UTC().AppendFormat(append(dst, `{"timestamp":"`...), time.RFC3339Nano)
	return append(append(append(dst, `","stream":"`...), stream...), `","line":"`...)
}

// appendTail appends the JSON of a line after its text, and a newline.
func appendTail(dst []byte, sequence int64, partial bool) []byte {
	dst = strconv.AppendInt(append(dst, `","sequence":`...), sequence, 10)
	if partial {
		dst = append(dst, `,"partial":true`...)
	}
	return append(dst, "}\n"...)
}

const hexDigits = "0123456789abcdef"

// appendText appends the inside of a JSON string. Each byte that is not part of
// valid UTF-8 becomes U+FFFD.
func appendText(dst, text []byte) []byte {
	start := 0 // start of what is not appended yet
	for i := logchunk.Plain(text); i < len(text); i += logchunk.Plain(text[i:]) {
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
