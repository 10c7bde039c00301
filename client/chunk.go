package client

import (
	"bytes"
	"fmt"

	"github.com/hodei-jobs/hodei/internal/packed"
)

// chunk is a run of consecutive lines: a text of so many lines, or what is left
// of it after the first few, up to the last that is wanted. The bytes are never
// written to again. Lines that came packed stay so until they are read.
type chunk struct {
	first, last int64
	skip, count int64 // lines of the text: before first, and in all
	text        packed.Text
}

func newChunk(first, last int64, text packed.Text) chunk {
	return chunk{first: first, last: last, count: last - first + 1, text: text}
}

// between is the part of the chunk from one sequence to another.
func (c chunk) between(from, to int64) chunk {
	first := max(c.first, from)
	c.skip, c.first, c.last = c.skip+first-c.first, first, min(c.last, to)
	return c
}

// size is the number of bytes of its text, unpacked.
func (c chunk) size() int { return max(c.text.Size, len(c.text.Lines)) }

// appendTo appends the lines as NDJSON, each of which ends in a newline. It fails
// when the text is not what it is said to be.
func (c chunk) appendTo(dst []byte) ([]byte, error) {
	mark := len(dst)
	dst, err := c.text.AppendTo(dst, c.first-c.skip)
	if err != nil {
		return dst[:mark], err
	}
	if len(dst) > mark && dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	text := dst[mark:]
	if err := c.counts(int64(bytes.Count(text, []byte{'\n'}))); err != nil {
		return dst[:mark], err
	}
	kept := c.cut(text)
	if len(kept) < len(text) {
		copy(text, kept)
	}
	return dst[:mark+len(kept)], nil
}

// open is the lines of the text, unpacked into room. It fails when they are not as
// many as is said.
func (c chunk) open(room []byte) (packed.Lines, error) {
	lines, err := c.text.Open(room)
	if err == nil {
		err = c.counts(lines.Count())
	}
	return lines, err
}

// whole reports whether all lines of the text are wanted.
func (c chunk) whole() bool { return c.last-c.first+1 == c.count }

// counts fails when there are not as many lines as is said.
func (c chunk) counts(n int64) error {
	if n != c.count {
		return fmt.Errorf("%d lines, not %d", n, c.count)
	}
	return nil
}

// cut is the lines of the text that the chunk is of.
func (c chunk) cut(text []byte) []byte {
	if last := c.skip + c.last - c.first + 1; last < c.count {
		text = text[:offset(text, last)]
	}
	return text[offset(text, c.skip):]
}

// newBatch is the lines of consecutive chunks, up to one that is damaged; it
// fails when that is the first. They are put into buf as NDJSON; but a chunk alone
// that is not packed is handed out as it is, without a copy, and one that is wanted
// whole as it is unpacked.
func newBatch(run []chunk, buf *[]byte) (Batch, error) {
	b := Batch{First: run[0].first, Last: run[0].last}
	if c := run[0]; len(run) == 1 && c.text.Size == 0 {
		b.Lines = c.cut(c.text.Lines)
		return b, nil
	}
	b.Lines = (*buf)[:0]
	for i, c := range run {
		var lines packed.Lines
		var err error
		if len(run) == 1 && c.whole() {
			lines, err = c.open(b.Lines)
		} else {
			lines, err = c.appendTo(b.Lines)
		}
		if err != nil && i == 0 {
			return Batch{}, fmt.Errorf("lines %d to %d: %w", c.first, c.last, err)
		}
		if err != nil {
			break
		}
		b.Lines, b.Last = lines, c.last
	}
	*buf = b.Lines
	return b, nil
}

// offset is where the line of that index begins.
func offset(lines []byte, index int64) int {
	at := 0
	for ; index > 0; index-- {
		at += bytes.IndexByte(lines[at:], '\n') + 1
	}
	return at
}
