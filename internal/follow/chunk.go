package follow

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/hodei-jobs/hodei/internal/logchunk"
)

// chunk is consecutive lines: a body of count lines without its first skip
// lines and those after the last requested one. The bytes are never written to
// again. A compressed body stays compressed until it is read.
type chunk struct {
	first, last int64
	skip, count int64 // lines of the body: before first, and in all
	body        logchunk.Body
}

func newChunk(first, last int64, body logchunk.Body) chunk {
	return chunk{first: first, last: last, count: last - first + 1, body: body}
}

// between returns the part of the chunk from one sequence to another.
func (c chunk) between(from, to int64) chunk {
	first := max(c.first, from)
	c.skip, c.first, c.last = c.skip+first-c.first, first, min(c.last, to)
	return c
}

// plausible reports, without decompressing, whether the body may have as many
// lines as declared.
func (c chunk) plausible() bool {
	if c.body.Size > 0 {
		return c.count >= 1 && c.count <= int64(c.body.Size)
	}
	return c.count >= 1 && c.count == lines(c.body.Lines)
}

// lines returns the number of lines; the last one need not end in a newline.
func lines(ndjson []byte) int64 {
	n := bytes.Count(ndjson, []byte{'\n'})
	if len(ndjson) > 0 && ndjson[len(ndjson)-1] != '\n' {
		n++
	}
	return int64(n)
}

// appendTo appends the lines as NDJSON, each with its newline. It fails if the
// body is damaged or has another number of lines.
func (c chunk) appendTo(dst []byte) ([]byte, error) {
	mark := len(dst)
	dst, err := c.body.AppendTo(dst)
	if err != nil {
		return dst, err
	}
	if len(dst) > mark && dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	ndjson := dst[mark:]
	if n := lines(ndjson); n != c.count {
		return dst[:mark], fmt.Errorf("%d lines, not %d", n, c.count)
	}
	if last := c.skip + c.last - c.first + 1; last < c.count {
		ndjson = ndjson[:offset(ndjson, last)]
	}
	n := copy(dst[mark:], ndjson[offset(ndjson, c.skip):])
	return dst[:mark+n], nil
}

// offset returns where the line with that index begins.
func offset(ndjson []byte, index int64) int {
	at := 0
	for ; index > 0; index-- {
		at += bytes.IndexByte(ndjson[at:], '\n') + 1
	}
	return at
}

// newBatch returns the lines of consecutive chunks, in buf, up to a damaged
// one; it fails if that is the first.
func newBatch(run []chunk, buf *[]byte) (Batch, error) {
	b := Batch{First: run[0].first, Lines: (*buf)[:0]}
	for i, c := range run {
		lines, err := c.appendTo(b.Lines)
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

// All iterates over the sequence and the JSON of each line, without its newline.
func (b Batch) All() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		sequence := b.First
		for line := range bytes.Lines(b.Lines) {
			if !yield(sequence, bytes.TrimSuffix(line, []byte{'\n'})) {
				return
			}
			sequence++
		}
	}
}
