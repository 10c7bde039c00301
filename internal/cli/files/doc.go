// Package files contains the commands for the files of jobs: artifacts, test reports, caches.
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
// The format of an archive is in internal/archive. The upload of a source by `hodei run` is in
// cli.
package files
