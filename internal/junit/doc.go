// Package junit reads test reports: files in the XML format that began with JUnit and that
// test runners of most languages write.
//
// # Owns
//
// What of such a file counts: each testcase, its outcome and its duration, whatever totals
// the file claims. The limits of what is read: MaxBytes, the depth of elements, no
// document type declaration, no entity but the five of XML.
//
// # When things fail
//
// A file that is no report is ErrOther, as is one that breaks off before its root element.
// Any other error is for users. A report is read as a whole, or not at all.
//
// # Not here
//
// Which files are read and where the report is kept (worker, services/artifacts).
package junit
