// Package packed makes the lines of a log small, from where they are recorded
// to where they are read again.
//
// # Owns
//
// The form in which chunks of lines are kept in Postgres and handed from there
// to whoever reads them: NDJSON as it came, or a zstd frame of it.
//
// # When things fail
//
// A frame that cannot be unpacked, or is not of the size that is said, is an
// error; nothing is read of it.
//
// # Not here
//
// What is in the lines; and the way of new lines to their followers, who get
// NDJSON, so that anybody can read along.
package packed
