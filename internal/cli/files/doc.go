// Package files contains the commands about what jobs leave: artifacts, test reports, caches.
//
// # Owns
//
// `hodei artifact`, `hodei cache` and `hodei pipeline reports`, and the lines about test reports
// in `hodei run show`.
//
// # When things fail
//
// As in package cli.
//
// # Not here
//
// The format of an archive, which is in internal/archive, and the sources that `hodei run`
// uploads, which are in cli.
package files
