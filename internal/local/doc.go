// Package local is the embedded default: the NATS server and the Postgres that
// `hodei up` starts if the user names none, and that the tests use.
//
// # Owns
//
// An in-process nats-server that reads the same nats.conf as production
// (nats.go), a Postgres started from the binaries of this machine and
// supervised (postgres.go), and the lock that protects a data directory from a
// second process (lock.go).
//
// # When things fail
//
// A start that cannot succeed returns an error on one line with a remedy: a
// port that is taken, Postgres not installed, a data directory that is in use
// or has another major version. If Postgres dies, it is restarted. If the
// process that started it is killed, the kernel stops Postgres too, and the
// next start recovers from the write-ahead log.
//
// # Not here
//
// No services, no migrations, no streams: only the two servers, empty or with
// the data of the last run. Other packages reach them by URL.
package local
