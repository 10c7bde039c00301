// Command bench measures Hodei beside the limit of the machine and beside its
// peers. `make bench` runs it.
//
// # Owns
//
// One scenario a row or two of docs/performance.md. Absolute figures say little
// on a machine that is shared, so each scenario runs, in turns, the limit (a
// program of limit/ that does the least that could do), Hodei (the real binary
// as a process of its own, on a fresh data directory), and the peers, as often
// as -runs says. What counts is the ratio of neighbours: its median is shown
// with the lowest and the highest.
//
// Everything that keeps a record has it on the same disk, by the same Postgres
// binaries with the same settings; that fsync and synchronous_commit are on is
// asked of each server in each run.
//
// # When things fail
//
// A scenario that does not end in time, loses an execution, or misses a line is
// an error: it is printed, the others go on, and the exit status is 1. All that
// was started is ended, and its files are removed.
//
// # Not here
//
// Nothing of it is linked into the product: it is a module of its own, so that
// the peers stay out of the product's go.mod.
package main
