// Package system is the wiring: it builds the chosen roles on their
// connections and runs them until told to stop. `hodei up`, each role's own
// command and the tests all run through it.
//
// # Owns
//
// The order of starting and of stopping. Started: record migrated, streams set
// up, services, edge, workers. Stopped the other way round, each group drained
// before the next is told, so that a worker can still report the end of what
// it ran:
//
//	workers ──► edge ──► orchestrator, scheduler, worker manager ──► connections
//
// # When things fail
//
// A role that cannot start, or that ends by itself, stops all the others and
// its error is returned. A worker that leaves by itself, because it was told to
// drain or to terminate, is no failure: the rest goes on without it, and a
// system of workers only ends when all have left. With KeepWorkers another worker
// takes its place (member.go).
//
// # Not here
//
// No flags, no servers of NATS or Postgres: cmd and internal/local have those.
package system
