package joblog

import (
	"bytes"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
)

// splitter splits one output into lines at \n and \r\n. A line longer than
// hodei.MaxLine bytes, counted with U+FFFD in place of invalid UTF-8, is
// emitted in pieces.
type splitter struct {
	// emit receives each line without its end; it must not keep it.
	emit func(line []byte, partial bool)
	rest []byte // of an incomplete line
}

// holdBack is how much of a line is kept beyond the longest piece before the
// piece is cut: enough for a whole rune, and for a \r that belongs to the line
// end.
const holdBack = utf8.UTFMax

func (s *splitter) write(p []byte) {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		line := p[:end]
		if len(s.rest) > 0 {
			s.rest = append(s.rest, line...)
			line = s.rest
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		s.line(line)
		s.rest, p = s.rest[:0], p[end+1:]
	}
	s.rest = append(s.rest, p...)
	for len(s.rest) >= hodei.MaxLine+holdBack {
		n := cut(s.rest)
		s.emit(s.rest[:n], true)
		s.rest = append(s.rest[:0], s.rest[n:]...)
	}
}

// close emits the last line if it has no line end.
func (s *splitter) close() {
	if len(s.rest) > 0 {
		s.line(s.rest)
		s.rest = nil
	}
}

func (s *splitter) line(line []byte) {
	for n := cut(line); n < len(line); n = cut(line) {
		s.emit(line[:n], true)
		line = line[n:]
	}
	s.emit(line, false)
}

// cut returns the length of the longest prefix, on a rune boundary, that makes
// a line of at most hodei.MaxLine bytes.
func cut(line []byte) int {
	if len(line) <= hodei.MaxLine/utf8.UTFMax { // even if all of it is replaced
		return len(line)
	}
	size := 0
	for i := 0; i < len(line); {
		n, long := 1, 1
		if line[i] >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRune(line[i:]); n > 1 {
				long = n
			} else {
				long = utf8.RuneLen(r)
			}
		}
		if size+long > hodei.MaxLine {
			return i
		}
		size, i = size+long, i+n
	}
	return len(line)
}
