// Package define contains the commands that define what runs: pipelines, their jobs, and the
// file hodei.yaml.
//
// # Owns
//
// `hodei init`, `validate`, `diff`, `apply`, `pipeline` and `job`, and the flags of a command
// and its requirements, which `run`, `exec` and `explain` have too.
//
// # When things fail
//
// As in package cli. Problems of a file are printed with their lines, as compilers do.
//
// # Not here
//
// The grammar of the file, which is in internal/definition; the commands that run what is
// defined, which are in cli.
package define
