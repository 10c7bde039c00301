package follow

import (
	"slices"
	"sort"
)

// ring holds the most recent chunks in order of sequence, without overlaps but
// possibly with gaps, and evicts the oldest above its limit.
type ring struct {
	chunks []chunk
	bytes  int
	limit  int
	shared *Shared
}

// overhead is charged for each chunk on top of its lines.
const overhead = 128

// find returns the index of the first chunk that ends at the sequence or later.
func (r *ring) find(sequence int64) int {
	return sort.Search(len(r.chunks), func(i int) bool { return r.chunks[i].last >= sequence })
}

// add adds a chunk, without lines that are already there.
func (r *ring) add(c chunk) {
	i := r.find(c.first)
	if i < len(r.chunks) && r.chunks[i].first <= c.first {
		if r.chunks[i].last >= c.last {
			return
		}
		c = c.between(r.chunks[i].last+1, c.last)
		i++
	}
	j := i
	for j < len(r.chunks) && r.chunks[j].last <= c.last {
		r.charge(-cost(r.chunks[j]))
		j++
	}
	if j < len(r.chunks) && r.chunks[j].first <= c.last {
		c = c.between(c.first, r.chunks[j].first-1)
	}
	r.chunks = slices.Replace(r.chunks, i, j, c)
	r.charge(cost(c))
	for (r.bytes > r.limit || r.bytes > ringLeast && r.shared.full()) && len(r.chunks) > 1 {
		r.drop(1)
	}
}

func cost(c chunk) int { return len(c.body.Lines) + overhead }

func (r *ring) charge(bytes int) {
	r.bytes += bytes
	r.shared.charge(bytes)
}

// drop evicts the oldest chunks.
func (r *ring) drop(n int) {
	for _, c := range r.chunks[:n] {
		r.charge(-cost(c))
	}
	clear(r.chunks[:n])
	r.chunks = r.chunks[n:]
}

// batchSize is the size in bytes above which no more chunks are joined into a
// batch.
const batchSize = 128 << 10

// read returns consecutive chunks with the lines from next to at most last,
// none if the first of them is missing.
func (r *ring) read(next, last int64) (run []chunk) {
	size := 0
	for i := r.find(next); i < len(r.chunks) && size < batchSize && next <= last && r.chunks[i].first <= next; i++ {
		c := r.chunks[i].between(next, last)
		run, size, next = append(run, c), size+c.body.Len(), c.last+1
	}
	return run
}

// lose removes the chunk with the sequence.
func (r *ring) lose(sequence int64) {
	if i := r.find(sequence); i < len(r.chunks) && r.chunks[i].first <= sequence {
		r.charge(-cost(r.chunks[i]))
		r.chunks = slices.Delete(r.chunks, i, i+1)
	}
}

// reach returns the last sequence of the gapless run that starts at head.
func (r *ring) reach(head int64) int64 {
	for i := r.find(head + 1); i < len(r.chunks) && r.chunks[i].first <= head+1; i++ {
		head = r.chunks[i].last
	}
	return head
}

// newest returns the highest sequence, 0 if empty.
func (r *ring) newest() int64 {
	if len(r.chunks) == 0 {
		return 0
	}
	return r.chunks[len(r.chunks)-1].last
}

// gap returns the number of lines from next to the first one in the ring, at
// most most.
func (r *ring) gap(next int64, most int) int {
	if i := r.find(next); i < len(r.chunks) {
		return int(min(r.chunks[i].first-next, int64(most)))
	}
	return most
}
