// Package system wires the roles: it builds the chosen roles on their
// connections and runs them until ctx is done. `hodei up`, the command of each
// role and the tests use it.
//
// # Owns
//
// The order of start and stop. Start: migrate the database, set up the streams,
// start services, edge, workers. Stop is in the reverse order. Each group
// drains before the next one stops, so that a worker can still report the end
// of its executions:
//
//	workers ──► edge ──► orchestrator, scheduler, worker manager ──► connections
//
// # When things fail
//
// If a role cannot start or ends by itself, all others stop and Run returns its
// error. A worker that leaves after a drain or terminate command is not a
// failure: the other roles continue, and a system of workers only ends when all
// have left. With KeepWorkers, another worker replaces it (member.go). A start also ends when
// NATS denies a permission that a role needs (denied.go).
//
// # Not here
//
// No flags and no NATS or Postgres servers: see cmd and internal/local.
package system
