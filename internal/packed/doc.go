// Package packed makes the lines of a log small, from where they are recorded
// to where they are read again.
//
// # Owns
//
// The form of chunks of lines: NDJSON, or a zstd frame of it, or a zstd frame of
// lines in runs, which say once what they begin with. Postgres has frames of all but
// the shortest chunks, and its readers are handed these; workers send them, of
// runs, only in a flood, so that else anybody can read along.
//
// # When things fail
//
// A frame that cannot be unpacked, or is not of the size that is said, is an
// error; nothing is read of it.
//
// # Not here
//
// What is in the lines, and when to pack.
package packed
