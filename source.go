package hodei

// SourceKey is the key of the job that fetches the source of a run, and the name of the
// artifact with its tree.
const SourceKey = "source"

// The part of an execution in the source of its run.
const (
	// SourceFetched: the execution fetches the source.
	SourceFetched = "fetched"
	// SourceUploaded: the execution stands for an uploaded source and runs no command.
	SourceUploaded = "uploaded"
	// SourceReceived: the execution starts with the tree of the source.
	SourceReceived = "received"
)

// UploadedSource is a tree that a user has uploaded for a run: a tar archive in a zstd frame.
type UploadedSource struct {
	Blob
	// Files is the number of files in the tree.
	Files int `json:"files" jsonschema:"minimum=0"`
}
