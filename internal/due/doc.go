// Package due runs work whose time comes later, such as the retry of an execution.
//
// # Owns
//
// The loop that takes due rows. A row in Postgres states what is due and when. The
// instance that does the work locks the row, so two instances never do it twice. A
// message on a subject wakes every instance at once; a sweep finds the rows whose
// message was lost.
//
// # Subjects
//
// Each kind of row has one. Its messages are empty: the row holds what is due.
//
// # State
//
// The pause before the next look, and nothing that must survive.
//
// # When things fail
//
// Work that fails leaves its row due. The loop logs the error and looks again after
// a pause, which doubles up to Sweep. An instance that stops between two rows leaves
// the rest to the other instances.
//
// # Not here
//
// The rows, their order and their locks: postgres has the statement that takes one.
package due
