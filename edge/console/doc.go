// Package console is the web console: what people would rather see than read.
//
// # Owns
//
// The files in web/, embedded, and how they are served under /ui/. They are
// what the browser runs, as they are: ES modules without a build, one file a
// view, with Preact, htm, signals and ansi_up beside them in web/vendor. The
// page talks to the public API alone, on the port that it came from.
//
//	/                            to /ui/
//	/ui/…                        the page, for every deep link
//	/ui/assets/<digest>/<file>   its files, for ever the same under that digest
//
// # When things fail
//
// The page says so, keeps what it shows, and goes on when the edge is back. A
// file asked for under another digest is 404: the page that names it is from
// another version, and a reload gets the new one.
//
// # Not here
//
// No operation, no state, nothing that the API would not give to anybody.
package console
