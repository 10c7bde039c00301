package mask

// anchor is the length of the longest text in the automaton. A tail follows the rest of
// a longer one.
const anchor = 40

// automaton is an Aho-Corasick automaton as a dense table. Its states are numbered
// breadth first. It never changes.
type automaton struct {
	class [256]byte
	shift uint8
	// next contains, at state<<shift|class, the next state, shifted, with the flag hit
	// if a text ends there.
	next []uint32
	// shallow is the greatest shifted state with a depth of at most 1.
	shallow uint32
	// pairs is a set of two successive bytes, by pair: those that begin a text, or the
	// first byte of one with a line break, and others by chance. Elsewhere the state
	// after the second byte is shallow.
	pairs [1 << pairBits]bool
	nodes []node
	tails []tail
}

// hit marks a transition at whose end a text ends.
const hit = 1 << 31

// node is what a state means.
type node struct {
	depth   int32   // length of the longest prefix, of a text that may go on, that ends the stream
	out     int32   // length of the longest text that ends here, 0 for none
	need    int32   // length of the shortest text with this prefix
	follows []int32 // tails that may begin here
}

// tail is a text longer than an anchor, with its failure function: for each length, that
// of the longest proper prefix which is also a suffix.
type tail struct {
	text string
	fail []int32
}

// compile makes the automaton that finds the texts, which have no line breaks and at
// least two characters.
func compile(texts []string) *automaton {
	a := &automaton{}
	a.classify(texts)
	a.plant(texts)
	a.link()
	return a
}

// The classes that are not a byte of a text.
const (
	otherClass = iota
	breakClass
	firstClass
)

// classify gives each byte of a text a class, and finds the pairs.
func (a *automaton) classify(texts []string) {
	classes := byte(firstClass)
	for _, text := range texts {
		for i := range min(len(text), anchor) {
			if a.class[text[i]] == otherClass {
				a.class[text[i]] = classes
				classes++
			}
		}
		for _, second := range []byte{text[1], '\r', '\n'} {
			a.pairs[pair(text[0], second)] = true
		}
	}
	a.class['\r'], a.class['\n'] = breakClass, breakClass
	for 1<<a.shift < int(classes) {
		a.shift++
	}
}

// plant makes a trie of the anchors, one level after the other.
func (a *automaton) plant(texts []string) {
	size := 1
	for _, text := range texts {
		size += min(len(text), anchor)
	}
	a.next = make([]uint32, size<<a.shift)
	a.nodes = make([]node, 1, size)
	at := make([]uint32, len(texts)) // the node of each text, shifted
	for depth := range anchor {
		for i, text := range texts {
			if depth < len(text) {
				at[i] = a.grow(at[i]|uint32(a.class[text[depth]]), depth+1, len(text))
			}
		}
		if depth == 0 {
			a.shallow = uint32(len(a.nodes)-1) << a.shift
		}
	}
	a.next = a.next[:len(a.nodes)<<a.shift]
	for i, text := range texts {
		end := &a.nodes[at[i]>>a.shift]
		if end.out = end.depth; len(text) > anchor {
			end.follows = append(end.follows, int32(len(a.tails)))
			a.tails = append(a.tails, tail{text: text, fail: borders(text)})
		}
	}
}

// grow returns the node at an edge of the trie, after making it if need be.
func (a *automaton) grow(edge uint32, depth, need int) uint32 {
	if a.next[edge] == 0 {
		a.next[edge] = uint32(len(a.nodes)) << a.shift
		a.nodes = append(a.nodes, node{depth: int32(depth), need: int32(need)})
	}
	n := &a.nodes[a.next[edge]>>a.shift]
	n.need = min(n.need, int32(need))
	return a.next[edge]
}

// link completes the table: where the trie has no edge, the transition is that of the
// failure state, the longest proper suffix which is a state. A failure state is less
// deep, so its row is complete.
func (a *automaton) link() {
	width := uint32(1) << a.shift
	fail := make([]uint32, len(a.nodes))
	for n := range a.nodes {
		s := uint32(n) << a.shift
		if nd, f := &a.nodes[n], &a.nodes[fail[n]>>a.shift]; n > 0 {
			nd.out = max(nd.out, f.out)
			nd.follows = append(nd.follows, f.follows...)
		}
		leaf := n > 0
		for c := uint32(firstClass); c < width; c++ {
			var after uint32
			if n > 0 {
				after = a.next[fail[n]|c] &^ hit
			}
			if child := a.next[s|c]; child != 0 {
				fail[child>>a.shift], leaf = after, false
			} else {
				a.next[s|c] = after
			}
		}
		a.next[s|breakClass] = s
		if leaf { // what precedes it in the stream is complete
			a.nodes[n].depth, a.nodes[n].need = a.nodes[fail[n]>>a.shift].depth, a.nodes[fail[n]>>a.shift].need
		}
	}
	for i, to := range a.next {
		if uint32(i)&(width-1) != breakClass && a.nodes[to>>a.shift].out > 0 {
			a.next[i] |= hit
		}
	}
}

func borders(text string) []int32 {
	fail := make([]int32, len(text)+1)
	for i, k := 1, int32(0); i < len(text); i++ {
		for k > 0 && text[k] != text[i] {
			k = fail[k]
		}
		if text[k] == text[i] {
			k++
		}
		fail[i+1] = k
	}
	return fail
}

const pairBits = 13

// pair hashes two bytes; exactness would cost a larger table than the cache likes.
func pair(first, second byte) uint32 { return uint32(first)<<(pairBits-8) ^ uint32(second) }

// skip returns the first position, from i, at which two bytes may begin a text, or the
// last position.
func (a *automaton) skip(p []byte, i int) int {
	first := p[i]
	for i++; i < len(p); i++ {
		second := p[i]
		if a.pairs[pair(first, second)&(1<<pairBits-1)] {
			break
		}
		first = second
	}
	return i - 1
}
