// Package localtest provides tests with a real NATS server and a real Postgres
// database.
//
// # Owns
//
// A fresh nats-server for each test that requests one, and a fresh database for
// each test on one Postgres server per test binary. The database is empty, or a
// copy of a template that the binary migrates once. The server's data is in
// memory where /dev/shm is large enough: some 80 MB for each test binary that
// runs at once, which later runs use again. Remove /dev/shm/hodei-test-postgres-*
// to free it.
//
// # When things fail
//
// If a server cannot start, the test fails; it is not skipped.
//
// # Not here
//
// No fixtures and no schema: package postgres, whose own tests use this
// package, passes its migrations to Migrated. The streams are those of
// kv.Setup.
package localtest
