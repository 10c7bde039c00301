// Package archive packs files of a directory into a tar archive in a zstd frame, and unpacks
// such an archive.
//
// # Owns
//
// The format: regular files and empty directories by their path in the directory, with their
// permissions and times, and nothing of the machine. What the globs select, and the digest of
// that. What must not be
// in an archive, whatever program made it: links, devices, absolute paths, ".." and a file at the path
// of another one.
//
// # When things fail
//
// A file that disappears or changes while it is packed is reported and does not fail the
// rest. The memory does not depend on the number or the size of the files; of an Unpacker it
// grows with the number of files, which it compares.
//
// # Not here
//
// Where archives are stored, and how they travel (internal/transfer).
package archive
