// Package archive packs files of a directory into a tar archive in a zstd frame, and unpacks
// such an archive.
//
// # Owns
//
// The format: regular files and empty directories by their path in the directory, with their
// permissions and times, and without owners. The selection of files by globs, and the digest
// of a selection. The entries that Unpacker refuses: links, devices, absolute paths, ".." and
// a second file at a path with other content.
//
// # When things fail
//
// A file that disappears or changes while it is packed is reported; the other files are packed.
// Packing needs constant memory. The memory of an Unpacker grows with the number of files,
// because it compares their paths.
//
// # Not here
//
// The storage of archives (services/artifacts) and their transfer (internal/transfer).
package archive
