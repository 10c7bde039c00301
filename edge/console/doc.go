// Package console is the web console.
//
// # Owns
//
// The files in web/, embedded, and how they are served under /ui/. The browser
// runs them unchanged: ES modules without a build, one file per view, with
// Preact, htm, signals and ansi_up in web/vendor. The page uses only the public
// API, on its own port.
//
//	/                            redirects to /ui/
//	/ui/…                        the page, for every deep link
//	/ui/assets/<digest>/<file>   its files, immutable under that digest
//
// # When things fail
//
// The page reports a lost connection, keeps its content, and continues when the
// edge is back. A file under another digest is 404: the page that requests it
// is from another version, and a reload gets the new one.
//
// # Not here
//
// No operations and no state: the page has no access that other clients of the
// API lack.
package console
