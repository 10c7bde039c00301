// Package local is the embedded default: what `hodei up` starts when it is
// given no NATS and no Postgres of yours, and what the tests stand on.
//
// # Owns
//
// An in-process nats-server that reads the same nats.conf as production
// (nats.go), a Postgres started from the binaries of this machine and
// supervised (postgres.go), and the lock that keeps two of them off one data
// directory (lock.go).
//
// # When things fail
//
// What cannot work says so in one line that names the way out: a port that is
// taken, a Postgres that is not installed, a data directory in use or of
// another major version. A Postgres that dies is started again. When the
// process that started it is killed outright, the kernel stops Postgres with
// it, and the next start recovers from the write-ahead log.
//
// # Not here
//
// No service, no migration, no stream: only the two servers, empty or as they
// were left. Other packages meet them by URL.
package local
