// Package uploads passes artifacts from a command in a job to its worker: the command writes
// files into a directory of the execution, which the worker reads after the command has ended.
//
// # Owns
//
// The variable with the path of the directory, and the layout: for each upload an archive
// (internal/archive) with a unique name, and a record in JSON, whose file is named after the
// artifact. An upload exists once its record exists.
//
// # When things fail
//
// A killed command leaves an archive without a record, which is no upload. The job may write
// anything into the directory, so Read and Open limit the bytes that they read, and open no file
// outside of the directory.
//
// # Not here
//
// Packing (internal/cli), and the verification and storage of uploads (worker).
package uploads
