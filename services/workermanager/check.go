package workermanager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
)

// longestLine is the limit of a line's JSON in bytes: every byte of its text
// escaped, and room for the other fields.
const longestLine = 7 * hodei.MaxLine

var errLine = errors.New("it is not the JSON that a worker writes")

// checker verifies that each line of a chunk is the JSON of a hodei.LogLine
// with the expected sequence, because readers receive recorded lines without
// decoding. Decoding each line would take several times as long, so the part
// before the text, which many lines share, is decoded only when it changes.
type checker struct {
	head []byte // of the last line, up to its text
	tail []byte
}

// lines verifies the lines from first to last.
func (c *checker) lines(ndjson []byte, first, last int64) error {
	sequence := first
	for line := range bytes.Lines(ndjson) {
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if err := c.check(line, sequence); err != nil {
			return fmt.Errorf("line %d: %w", sequence, err)
		}
		sequence++
	}
	if sequence != last+1 {
		return fmt.Errorf("%d lines: %d to %d are declared", sequence-first, first, last)
	}
	return nil
}

func (c *checker) check(line []byte, sequence int64) error {
	if len(line) > longestLine {
		return errLine
	}
	if len(c.head) == 0 || !bytes.HasPrefix(line, c.head) {
		at := bytes.Index(line, textBegins)
		if at < 0 || !isHead(line[:at+len(textBegins)]) {
			return errLine
		}
		c.head = append(c.head[:0], line[:at+len(textBegins)]...)
	}
	c.tail = strconv.AppendInt(append(c.tail[:0], `","sequence":`...), sequence, 10)
	text := bytes.TrimSuffix(line[len(c.head):], []byte("}"))
	text = bytes.TrimSuffix(text, []byte(`,"partial":true`))
	text, ok := bytes.CutSuffix(text, c.tail)
	if !ok || line[len(line)-1] != '}' || !isText(text) {
		return errLine
	}
	return nil
}

// textBegins precedes the text of a line.
var textBegins = []byte(`,"line":"`)

// isHead reports whether the bytes are a valid start of a line's JSON, up to
// its text.
func isHead(head []byte) bool {
	if bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return false
	}
	var line hodei.LogLine
	err := json.Unmarshal(append(bytes.Clone(head), `","sequence":1}`...), &line)
	return err == nil && (line.Stream == hodei.Stdout || line.Stream == hodei.Stderr) && !line.Timestamp.IsZero()
}

// isText reports whether the bytes are valid inside a JSON string.
func isText(text []byte) bool {
	for i := logchunk.Plain(text); i < len(text); i += 1 + logchunk.Plain(text[i+1:]) {
		c, size := text[i], 0
		if c == '\\' {
			size = escape(text[i+1:])
		} else if c >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(text[i:])
			size--
		}
		if size == 0 { // a byte that needs an escape, an invalid escape, or invalid UTF-8
			return false
		}
		i += size
	}
	return true
}

// escape returns how many bytes of an escape follow its backslash, 0 if it is
// invalid.
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
