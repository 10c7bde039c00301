// Package localtest gives tests a real NATS and a real Postgres of their own.
//
// # Owns
//
// A fresh nats-server for each test that asks for one, and a fresh database
// for each test on one Postgres shared by the test binary.
//
// # When things fail
//
// A test that cannot have its server fails; nothing is skipped.
//
// # Not here
//
// No fixtures and no migrations: a database is empty, streams are as kv.Setup
// leaves them.
package localtest
