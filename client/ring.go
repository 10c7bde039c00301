package client

import (
	"bytes"
	"slices"
	"sort"
)

// chunk is a run of consecutive lines: line i of the NDJSON has the sequence
// first+i. The bytes are never written to again.
type chunk struct {
	first, last int64
	lines       []byte // each line ends in a newline
}

// from is the rest of the chunk that begins at the sequence.
func (c chunk) from(first int64) chunk {
	return chunk{first: first, last: c.last, lines: c.lines[offset(c.lines, first-c.first):]}
}

// upTo is the part of the chunk that ends with the sequence.
func (c chunk) upTo(last int64) chunk {
	return chunk{first: c.first, last: last, lines: c.lines[:offset(c.lines, last-c.first+1)]}
}

// join is the chunk with those that follow it. A chunk alone is handed out as it
// is, without a copy.
func (c chunk) join(more []chunk) chunk {
	if len(more) == 0 {
		return c
	}
	size := len(c.lines)
	for _, next := range more {
		size += len(next.lines)
	}
	c.lines = append(make([]byte, 0, size), c.lines...)
	for _, next := range more {
		c.lines, c.last = append(c.lines, next.lines...), next.last
	}
	return c
}

// offset is where the line of that index begins.
func offset(lines []byte, index int64) int {
	at := 0
	for ; index > 0; index-- {
		at += bytes.IndexByte(lines[at:], '\n') + 1
	}
	return at
}

// ring holds the most recent chunks in order of sequence, without overlaps but
// perhaps with holes, and forgets the oldest when it grows over its limit.
type ring struct {
	chunks []chunk
	bytes  int
	limit  int
}

// overhead is charged for each chunk on top of its lines.
const overhead = 128

// find is the index of the first chunk that ends at the sequence or later.
func (r *ring) find(sequence int64) int {
	return sort.Search(len(r.chunks), func(i int) bool { return r.chunks[i].last >= sequence })
}

// add takes a chunk in, less what is there already.
func (r *ring) add(c chunk) {
	i := r.find(c.first)
	if i < len(r.chunks) && r.chunks[i].first <= c.first {
		if r.chunks[i].last >= c.last {
			return
		}
		c = c.from(r.chunks[i].last + 1)
		i++
	}
	j := i
	for j < len(r.chunks) && r.chunks[j].last <= c.last {
		r.bytes -= len(r.chunks[j].lines) + overhead
		j++
	}
	if j < len(r.chunks) && r.chunks[j].first <= c.last {
		c = c.upTo(r.chunks[j].first - 1)
	}
	r.chunks = slices.Replace(r.chunks, i, j, c)
	r.bytes += len(c.lines) + overhead
	for r.bytes > r.limit && len(r.chunks) > 1 {
		r.bytes -= len(r.chunks[0].lines) + overhead
		r.chunks[0] = chunk{}
		r.chunks = r.chunks[1:]
	}
}

// batchSize is the number of bytes from which on no more chunks are joined into
// one batch.
const batchSize = 128 << 10

// read returns consecutive lines from next to at most last, not ok when the
// first of them is not here.
func (r *ring) read(next, last int64) (c chunk, ok bool) {
	i := r.find(next)
	if next > last || i == len(r.chunks) || r.chunks[i].first > next {
		return chunk{}, false
	}
	c = r.chunks[i].from(next)
	size, j := len(c.lines), i+1
	for ; j < len(r.chunks) && r.chunks[j].first == r.chunks[j-1].last+1 && size < batchSize; j++ {
		size += len(r.chunks[j].lines)
	}
	if c = c.join(r.chunks[i+1 : j]); c.last > last {
		c = c.upTo(last)
	}
	return c, true
}

// reach is the last sequence of the run without holes that goes on from head.
func (r *ring) reach(head int64) int64 {
	for i := r.find(head + 1); i < len(r.chunks) && r.chunks[i].first <= head+1; i++ {
		head = r.chunks[i].last
	}
	return head
}

// newest is the highest sequence here, 0 when empty.
func (r *ring) newest() int64 {
	if len(r.chunks) == 0 {
		return 0
	}
	return r.chunks[len(r.chunks)-1].last
}

// gap is the number of lines from next to the first one here, at most most.
func (r *ring) gap(next int64, most int) int {
	if i := r.find(next); i < len(r.chunks) {
		return int(min(r.chunks[i].first-next, int64(most)))
	}
	return most
}
