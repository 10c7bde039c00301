package mask

import "bytes"

const (
	// lineBreakFrom is the number of characters of a value for which a line is held back.
	lineBreakFrom = 4
	// mostHeld bounds what is held back, in bytes, however many line breaks it contains.
	mostHeld = 4 << 10
)

// Masker masks one stream.
type Masker struct {
	set  *Set
	emit func([]byte)

	a      *automaton
	state  uint32
	active []following // tails that are being followed
	buf    []byte      // held back; the automaton has read it
	hits   []span      // of buf, in order, apart from each other
	within bool        // the last byte that was emitted is masked
	found  bool        // a value was found
}

// span is a range of positions in the bytes being processed.
type span struct{ from, to int }

// following is a tail of which the stream ends with the first n characters.
type following struct {
	tail int32
	n    int32
}

// NewMasker returns a masker at the beginning of a stream. It calls emit, which must not
// keep the slice, with what follows in the stream.
func NewMasker(set *Set, emit func([]byte)) *Masker { return &Masker{set: set, emit: emit} }

// Write masks the next bytes of the stream, and emits what cannot be the beginning of a
// value.
func (m *Masker) Write(p []byte) {
	if a := m.set.automaton(); a != m.a {
		m.adopt(a)
	}
	if m.a == nil {
		m.emit(p)
		return
	}
	if len(m.buf) == 0 {
		m.scan(p, 0)
		m.pass(p, m.settled(p))
		return
	}
	from := len(m.buf)
	m.buf = append(m.buf, p...)
	m.scan(m.buf, from)
	m.pass(m.buf, m.settled(m.buf))
}

// Holding reports whether the end of a line is held back.
func (m *Masker) Holding() bool { return bytes.ContainsAny(m.buf, "\r\n") }

// Release emits what is held back. At least half of a value is masked.
func (m *Masker) Release() {
	if m.a == nil || len(m.buf) == 0 {
		return
	}
	if n := m.a.nodes[m.state>>m.a.shift]; n.depth > 0 && 2*n.depth >= n.need {
		m.add(back(m.buf, int(n.depth)), len(m.buf))
	}
	m.pass(m.buf, len(m.buf))
}

// adopt continues with another automaton, from what is held back.
func (m *Masker) adopt(a *automaton) {
	m.a, m.state, m.active = a, 0, nil
	m.scan(m.buf, 0)
}

// scan runs the automaton over p[from:]. What precedes is held back.
func (m *Masker) scan(p []byte, from int) {
	a, s, tails := m.a, m.state, len(m.active) > 0
	for i := from; i < len(p); i++ {
		if s <= a.shallow && !tails {
			at := -1
			if s == 0 {
				at = i
			} else if i > from && !isBreak(rune(p[i-1])) { // the state follows from that byte alone
				at = i - 1
			}
			if at >= 0 {
				at = a.skip(p, at)
				s = a.next[a.class[p[at]]] // no text is that short
				if i = at + 1; i == len(p) {
					break
				}
			}
		}
		if tails {
			m.follow(p, i)
			tails = len(m.active) > 0
		}
		s = a.next[s|uint32(a.class[p[i]])]
		if s&hit != 0 {
			s &^= hit
			m.hit(p, i, s)
			tails = len(m.active) > 0
		}
	}
	m.state = s
}

// hit adds the longest text that ends at i, and follows its tails.
func (m *Masker) hit(p []byte, i int, s uint32) {
	n := &m.a.nodes[s>>m.a.shift]
	m.add(back(p[:i+1], int(n.out)), i+1)
next:
	for _, t := range n.follows {
		for _, f := range m.active {
			if f.tail == t {
				continue next // it follows a longer prefix
			}
		}
		m.active = append(m.active, following{tail: t, n: anchor})
	}
}

// follow masks the byte at i if it continues a tail.
func (m *Masker) follow(p []byte, i int) {
	if isBreak(rune(p[i])) {
		return
	}
	kept := m.active[:0]
	for _, f := range m.active {
		t := &m.a.tails[f.tail]
		if f.n = t.step(f.n, p[i]); f.n >= anchor {
			m.add(i, i+1)
			kept = append(kept, f)
		}
	}
	m.active = kept
}

// step returns the length of the longest prefix of the text that ends with b, after one
// of length n.
func (t *tail) step(n int32, b byte) int32 {
	if int(n) == len(t.text) {
		n = t.fail[n]
	}
	for n > 0 && t.text[n] != b {
		n = t.fail[n]
	}
	if t.text[n] == b {
		n++
	}
	return n
}

// add marks a range to mask. It joins those that it touches.
func (m *Masker) add(from, to int) {
	m.found = true
	for len(m.hits) > 0 && m.hits[len(m.hits)-1].to >= from {
		last := m.hits[len(m.hits)-1]
		from, to = min(from, last.from), max(to, last.to)
		m.hits = m.hits[:len(m.hits)-1]
	}
	m.hits = append(m.hits, span{from, to})
}

// back returns the position of the n-th last character, or the beginning. Line breaks are
// not characters.
func back(p []byte, n int) int {
	at := len(p)
	for at > 0 && n > 0 {
		if at--; !isBreak(rune(p[at])) {
			n--
		}
	}
	return at
}

// settled returns the position from which p is held back.
func (m *Masker) settled(p []byte) int {
	depth := int(m.a.nodes[m.state>>m.a.shift].depth)
	if depth == 0 {
		return len(p)
	}
	at := back(p, depth)
	if depth < lineBreakFrom {
		at += bytes.LastIndexAny(p[at:], "\r\n") + 1
	}
	if len(p)-at > mostHeld {
		return len(p)
	}
	return at
}

var stars = []byte("***")

// pass emits p[:to], masked, and holds back the rest. A masked run of a line becomes one
// "***".
func (m *Masker) pass(p []byte, to int) {
	at, kept := 0, 0
	for _, h := range m.hits {
		if h.from >= to {
			break
		}
		if h.from > at {
			m.emit(p[at:h.from])
			m.within = false
		}
		end := min(h.to, to)
		m.star(p[h.from:end])
		if at = end; h.to > to {
			break
		}
		kept++
	}
	if at < to {
		m.emit(p[at:to])
		m.within = false
	}
	m.hits = append(m.hits[:0], m.hits[kept:]...)
	for i := range m.hits {
		m.hits[i].from, m.hits[i].to = max(0, m.hits[i].from-to), m.hits[i].to-to
	}
	m.buf = append(m.buf[:0], p[to:]...)
}

// star emits a masked range: its line breaks as they are.
func (m *Masker) star(p []byte) {
	for len(p) > 0 {
		n := bytes.IndexAny(p, "\r\n")
		if n != 0 && !m.within {
			m.emit(stars)
			m.within = true
		}
		if n < 0 {
			return
		}
		m.emit(p[n : n+1])
		p, m.within = p[n+1:], false
	}
}
