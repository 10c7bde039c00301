// Package blob stores content under the id of its row: in a directory, or in S3.
//
// # Owns
//
// The bytes. Content arrives in parts, in any order and repeatedly, and is readable once it
// is complete: Complete compares all of it with its size and digest. Nothing is readable
// before, and nothing changes after.
//
// # State
//
// Parts of uploads and complete content, both under the id. Any instance of the service
// can take any part if all use the same directory or bucket.
//
// # When things fail
//
// A written part stays, so an upload can be resumed, even after a restart. If parts are lost,
// Complete fails, the parts are deleted, and the upload must start again.
//
// # Not here
//
// The references to content, which are rows in Postgres.
package blob
