// Package junit reads test reports in the XML format of JUnit, which test runners of most
// languages write.
//
// # Owns
//
// The interpretation of a file: each testcase counts with its outcome and its duration; totals
// in the file are ignored. The limits of a file: MaxBytes, the depth of elements, no document
// type declaration, and no entities besides the five of XML.
//
// # When things fail
//
// Read returns ErrOther for a file that is no report, or that ends before its root element. All
// other errors are for users. A report is read completely or not at all.
//
// # Not here
//
// The choice of files (worker) and the storage of reports (services/artifacts).
package junit
