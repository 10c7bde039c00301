// Command bench measures Hodei beside the limit of the machine and beside its
// peers. `make bench` runs it.
//
// # Owns
//
// Scenarios, each for one or two rows of docs/performance.md. Absolute figures
// mean little on a shared machine. So each scenario runs, in turns, the limit
// (a program of limit/ that does the least possible work), Hodei (the real
// binary as a separate process on a fresh data directory), and the peers, -runs
// times. The result is the ratio of neighbouring measurements: its median with
// the lowest and the highest.
//
// All records are on the same disk, in the same Postgres binaries with the same
// settings. Each run verifies that fsync and synchronous_commit are on in every
// server.
//
// # When things fail
//
// A scenario that does not end in time, loses an execution, or misses a line is
// an error: it is printed, the other scenarios continue, and the exit status is
// 1. The bench ends all its processes and removes their files.
//
// # Not here
//
// Nothing here is linked into the product: bench is a separate module, so that
// the peers are not in the product's go.mod.
package main
