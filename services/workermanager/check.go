package workermanager

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
)

// longestLine is the most bytes that the JSON of a line may have: every byte of
// its text escaped, and room for the other fields.
const longestLine = 7 * hodei.MaxLine

var errLine = errors.New("a line is not what a worker writes")

// checker checks that lines are the JSON of a hodei.LogLine, on one line each,
// with the sequence number that their place gives them: readers pass recorded
// lines on without decoding them. What lines have before their text repeats, so it is
// decoded only when it changes.
type checker struct {
	head []byte // of the last line
	end  packed.End
}

func newChecker() checker { return checker{end: packed.NewEnd()} }

func (c *checker) check(line *packed.Line) error {
	if line.Size() > longestLine {
		return errLine
	}
	head, text := line.Head, line.Text
	if len(head) == 0 { // not in a run
		if !bytes.HasPrefix(text, c.head) || len(c.head) == 0 {
			at := bytes.Index(text, textBegins)
			if at < 0 {
				return errLine
			}
			head = text[:at+len(textBegins)]
		} else {
			head = text[:len(c.head)]
		}
		var whole bool
		if text, whole = bytes.CutSuffix(text[len(head):], c.end.Of(line.Sequence, false)); !whole {
			if text, whole = bytes.CutSuffix(text, c.end.Of(line.Sequence, true)); !whole {
				return errLine
			}
		}
	}
	if !bytes.Equal(head, c.head) {
		if !isHead(head) {
			return errLine
		}
		c.head = append(c.head[:0], head...)
	}
	if !isText(text) {
		return errLine
	}
	return nil
}

// textBegins is what stands before the text of a line.
var textBegins = []byte(`,"line":"`)

// isHead reports whether a line may begin like that, up to its text.
func isHead(head []byte) bool {
	if bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return false
	}
	var line hodei.LogLine
	err := json.Unmarshal(append(bytes.Clone(head), `","sequence":1}`...), &line)
	return err == nil && (line.Stream == hodei.Stdout || line.Stream == hodei.Stderr) && !line.Timestamp.IsZero()
}

// isText reports whether the bytes may be the inside of a JSON string.
func isText(text []byte) bool {
	for i := packed.Plain(text); i < len(text); i += packed.Plain(text[i:]) {
		c, size := text[i], 0
		switch {
		case c == '\\':
			size = escape(text[i+1:])
			if size++; size == 1 {
				return false
			}
		case c < utf8.RuneSelf:
			return false
		default:
			var r rune
			if r, size = utf8.DecodeRune(text[i:]); r == utf8.RuneError && size == 1 {
				return false
			}
		}
		i += size
	}
	return true
}

// escape is how many bytes of an escape follow its backslash, 0 if it is none.
func escape(rest []byte) int {
	switch {
	case len(rest) > 0 && bytes.IndexByte([]byte(`"\/bfnrt`), rest[0]) >= 0:
		return 1
	case len(rest) > 4 && rest[0] == 'u' && isHex(rest[1:5]):
		return 5
	}
	return 0
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
