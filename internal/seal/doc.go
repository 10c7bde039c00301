// Package seal encrypts the values of secrets: at rest under a key of the service, and on
// their way to one worker.
//
// # At rest
//
// Keys encrypts with AES-256-GCM. The associated data is the scope, the name and the
// version of the secret, so a value that is copied to another row cannot be decrypted.
// The keys are in a file, one a line; the first encrypts, all decrypt. To replace a key,
// put a new one above it, restart the service, run `hodei secret rotate`, and remove the
// old one.
//
// # To a worker
//
// Each process of a worker makes a curve key (X25519 with XSalsa20-Poly1305, package
// nkeys) and reports its public half with its slots. Pair encrypts the values of one
// execution to that key. Another worker, a subscriber of NATS, or a later process of the
// same worker cannot read it.
//
// # Does not belong here
//
// The rows (postgres), the choice of values for an execution (services/workermanager) and
// how they reach the command (worker).
package seal
