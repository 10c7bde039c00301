package packed

import (
	"bytes"
	"iter"
	"math"
	"strconv"
)

// Lines is lines of a log as they are unpacked: NDJSON, or in runs. A run says once
// what the JSON of its lines begins with, up to their text, and leaves out how each
// ends, which follows from its sequence:
//
//	\x01{"timestamp":"2026-01-01T00:00:00Z","stream":"stdout","line":"
//	compiled
//	linked
//
// A text is JSON, so no byte below a space is in it: \x02 before one tells a line
// that is partial. A flood is half as large in runs, packed and not, and made in
// half the time.
type Lines []byte

const (
	// Head begins what the lines of a run begin with, on a line of its own.
	Head = '\x01'
	// Partial begins the text of a line of which the rest follows.
	Partial = '\x02'
)

// AppendHead begins a run.
func AppendHead(dst Lines, head []byte) Lines {
	return append(append(append(dst, Head), head...), '\n')
}

// Line is one line: its JSON, without the newline, in three parts. Those that are
// not in a run are all text.
type Line struct {
	Sequence        int64
	Head, Text, End []byte
	// Begins is true of the first line, and the first of each run.
	Begins bool

	room []byte // for JSON
}

// AppendTo appends the JSON.
func (l *Line) AppendTo(dst []byte) []byte {
	return append(append(append(dst, l.Head...), l.Text...), l.End...)
}

// JSON is the line in one piece; it is good until the next.
func (l *Line) JSON() []byte {
	if len(l.Head)+len(l.End) == 0 {
		return l.Text
	}
	l.room = l.AppendTo(l.room[:0])
	return l.room
}

// Size is the number of bytes that it takes of NDJSON.
func (l *Line) Size() int { return len(l.Head) + len(l.Text) + len(l.End) + 1 }

func (l Lines) inRuns() bool { return len(l) > 0 && l[0] == Head }

// All gives the lines, of which the first has the given sequence. Each is good
// until the next.
func (l Lines) All(first int64) iter.Seq[*Line] {
	return func(yield func(*Line) bool) {
		line, end, runs := Line{Sequence: first, Begins: true}, NewEnd(), l.inRuns()
		for rest := []byte(l); len(rest) > 0; {
			line.Text, rest, _ = bytes.Cut(rest, []byte{'\n'})
			if runs {
				if len(line.Text) > 0 && line.Text[0] == Head {
					line.Head, line.Begins = line.Text[1:], true
					continue
				}
				partial := len(line.Text) > 0 && line.Text[0] == Partial
				if partial {
					line.Text = line.Text[1:]
				}
				line.End = end.Of(line.Sequence, partial)
			}
			if !yield(&line) {
				return
			}
			line.Sequence++
			line.Begins = false
		}
	}
}

// AppendTo appends the lines as NDJSON.
func (l Lines) AppendTo(dst []byte, first int64) []byte { return l.appendTo(dst, first, math.MaxInt) }

// appendTo ends with the line that makes them more than so many bytes: a small frame
// may stand for very much.
func (l Lines) appendTo(dst []byte, first int64, most int) []byte {
	if !l.inRuns() {
		return append(dst, l...)
	}
	mark := len(dst)
	for line := range l.All(first) {
		if dst = append(line.AppendTo(dst), '\n'); len(dst)-mark > most {
			break
		}
	}
	return dst
}

// Count is the number of lines.
func (l Lines) Count() int64 {
	n := bytes.Count(l, []byte{'\n'})
	if len(l) > 0 && l[len(l)-1] != '\n' {
		n++
	}
	if l.inRuns() {
		n -= 1 + bytes.Count(l, []byte{'\n', Head})
	}
	return int64(n)
}

// Pack returns the text of lines in runs, of which so many bytes of NDJSON are
// made; few stay NDJSON.
func (l Lines) Pack(first int64, size int) Text {
	if text, ok := pack(l, size); ok {
		return text
	}
	return Text{Lines: l.AppendTo(make([]byte, 0, size), first)}
}

// End makes what the JSON of a line ends with after its text.
type End struct {
	count   Counter
	partial []byte
}

// NewEnd returns an End.
func NewEnd() End { return End{count: NewCounter(`","sequence":`, "}")} }

// Of is the end of a line; it is good until the next.
func (e *End) Of(sequence int64, partial bool) []byte {
	end := e.count.At(sequence)
	if partial {
		e.partial = append(append(e.partial[:0], end[:len(end)-1]...), `,"partial":true}`...)
		return e.partial
	}
	return end
}

// Counter is a number between two texts, which is kept: of a number that follows
// the one before mostly the last digit alone is written. To write all of it for
// each line took a thirtieth of the time of a flood.
type Counter struct {
	before, after string
	n             int64
	text          []byte
}

// NewCounter returns a counter.
func NewCounter(before, after string) Counter { return Counter{before: before, after: after} }

// At is the text of n; it is good until the next.
func (c *Counter) At(n int64) []byte {
	digit := len(c.text) - len(c.after) - 1
	if n == c.n+1 && n > 0 && digit >= 0 && c.text[digit] < '9' {
		c.text[digit]++
	} else if n != c.n || digit < 0 {
		c.text = append(strconv.AppendInt(append(c.text[:0], c.before...), n, 10), c.after...)
	}
	c.n = n
	return c.text
}
