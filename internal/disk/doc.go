// Package disk monitors the free space of the disks that hold a process's
// stores, and refuses new work before a store runs full.
//
// # Owns
//
// The floor, which is the space that must stay free, and the error that reports
// too little space.
//
// # When things fail
//
// A disk whose size cannot be read counts as having enough space. The store
// itself then fails and reports the reason.
//
// # Not here
//
// What is refused: the orchestrator refuses executions, a worker refuses
// offers.
package disk
