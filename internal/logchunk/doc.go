// Package logchunk is the format of log chunks, on NATS, in Postgres and in the
// memory of followers.
//
// # Owns
//
// A chunk is consecutive lines of one log. Its body is NDJSON, one hodei.LogLine a
// line, or a standard zstd frame of that NDJSON: the header Content-Encoding: zstd
// of a message marks a frame, and a size other than 0 does in the record. Bodies from
// CompressFrom bytes on are compressed, where they are made and nowhere else.
// Also here: the digest by which a worker and the record compare a whole log.
//
// # When things fail
//
// A frame must declare the size of what it decompresses to, at most MaxSize. One that
// is damaged, or decompresses to another size, is an error, and no line of it is used.
// The declared size bounds the memory that decompression takes.
//
// # Does not belong here
//
// How lines are split, numbered and encoded (worker), whether they are acceptable
// (services/workermanager), and anything that is sent or stored.
package logchunk
