// Package localtest gives tests a real NATS and a real Postgres of their own.
//
// # Owns
//
// A fresh nats-server for each test that asks for one, and a fresh database
// for each test on one Postgres shared by the test binary: empty, or a copy of
// a template that the binary migrates once.
//
// # When things fail
//
// A test that cannot have its server fails; nothing is skipped.
//
// # Not here
//
// No fixtures, and no schema: postgres, whose own tests are among the callers,
// passes its migrations to Migrated. Streams are as kv.Setup leaves them.
package localtest
