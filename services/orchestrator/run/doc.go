// Package run decides what happens in a run of a pipeline.
//
// # Owns
//
// Expand makes the jobs of a run from the jobs of its pipeline: the legs of each
// matrix, the environment of each job, the references that can be resolved before
// anything runs. Advance processes ended executions and decides which jobs start, which
// are skipped and whether the run has ended. Rerun makes the jobs of a run that repeats
// another. ExpandCall makes the jobs of a child run, which a job of another run starts;
// Advance requests that run and adopts its outcome.
//
// # Rules
//
// Every job of a run ends or is skipped. A job whose needs have ended changes in the
// same step, and so do all jobs that follow from it. A run in which nothing can start
// and nothing is active has ended. Nothing starts twice. Without fail_fast, the order in
// which ends arrive does not change the result.
//
// # Not here
//
// No clock, no randomness and no I/O: postgres commits the decisions, and the orchestrator
// executes them.
package run
