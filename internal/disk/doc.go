// Package disk watches the free space of the disks on which a process keeps its
// stores, and refuses new work before a store can no longer be written.
//
// # Owns
//
// How much space must stay free (the floor), and the words in which too little is
// reported.
//
// # When things fail
//
// A disk whose size cannot be read counts as having enough space: the store itself
// then fails, and reports why.
//
// # Not here
//
// What is refused: the orchestrator refuses executions, a worker refuses offers.
package disk
