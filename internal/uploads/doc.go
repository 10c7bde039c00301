// Package uploads is how a command in a job hands artifacts to its worker: files in a
// directory of the execution, which the worker reads once the command has ended.
//
// # Owns
//
// The variable with the path of the directory, and the layout: for each upload an archive
// (internal/archive) under a name of its own, and a record in JSON, whose file is named
// after the artifact. An upload exists once its record does.
//
// # When things fail
//
// A command that is killed leaves an archive without a record, which is no upload. The
// directory belongs to the job, which may put anything in it: Read and Open bound what they
// read, and open nothing outside of the directory.
//
// # Not here
//
// What is packed (internal/cli), and how it is verified and stored (worker).
package uploads
