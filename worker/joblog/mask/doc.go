// Package mask replaces secret values in a stream of bytes by "***".
//
// A Set holds the values and compiles them, in all their forms, to one automaton. A
// Masker runs the automaton over one stream. The package is pure: no clock, no input, no
// output, no goroutine. A Set may be shared; a Masker may not.
//
// # Forms
//
// A value is found as it is, escaped as JSON, escaped as part of a URL, and in base64 at
// each of the three alignments. If the value has several lines, each line of six or more
// characters is found on its own, too.
//
// # Line breaks
//
// The automaton ignores \r and \n, in the values and in the stream. So it finds a value
// that a program has wrapped, base64 that was cut into lines, and a key whose line ends
// a terminal has rewritten.
//
// # What is held back
//
// A Masker holds back the end of the stream while that may be the beginning of a value.
// The caller bounds the time, with Release: it passes on what is held back, masked if it
// is at least half of a value. The Masker keeps its state, so that the rest of the value
// is masked when it follows. A line is not held back for fewer than four characters.
//
// # Long values
//
// The automaton contains the first 40 characters of a form. What follows them is masked
// as far as it equals the value. So the beginning of a long value is masked even if the
// value does not go on, and the size of a value does not matter to the table.
//
// # What is not found
//
// Any other transformation, such as hexadecimal, gzip, encryption, reversal of the
// characters, quoting by a shell, a part of a one-line value, two encodings at once, or
// characters in between that are not line breaks. docs/secrets.md lists them for users.
package mask
