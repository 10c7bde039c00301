// Package run decides what happens in a run of a pipeline.
//
// # Owns
//
// Expand makes the jobs of a run from the jobs of its pipeline: the legs of each
// matrix, the environment of each job, the references that can be resolved before
// anything runs. Advance takes ends of executions and decides which jobs start, which
// are skipped and whether the run has ended. Rerun makes the jobs of a run that
// repeats another. ExpandCall makes those of a run that a job of another run starts;
// Advance asks for that run, and takes its outcome.
//
// # Rules
//
// Every job of a run ends or is skipped. A job whose needs have ended changes in the
// same step, and so do all jobs that follow from it. A run in which nothing can start
// and nothing is active has ended. Nothing starts twice. The order in which ends
// arrive does not change the result, unless fail_fast makes it.
//
// # Not here
//
// No clock, no chance and no I/O: the orchestrator carries out what is decided, and
// postgres commits it.
package run
