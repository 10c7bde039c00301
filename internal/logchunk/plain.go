package logchunk

import "unicode/utf8"

// special is 1 for each byte that is not itself in a JSON string, or is part of a
// rune of several bytes.
var special = func() (set [256]byte) {
	for c := range set {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			set[c] = 1
		}
	}
	return set
}()

// Plain returns how many bytes text begins with that need no look of their own in
// a JSON string: printable ASCII without quotes and backslashes. Most lines are
// nothing else, and every byte of a log passes here twice.
func Plain(text []byte) (n int) {
	for ; len(text)-n >= 8; n += 8 {
		c := text[n : n+8 : n+8]
		if special[c[0]]|special[c[1]]|special[c[2]]|special[c[3]]|special[c[4]]|special[c[5]]|special[c[6]]|special[c[7]] != 0 {
			break
		}
	}
	for n < len(text) && special[text[n]] == 0 {
		n++
	}
	return n
}
