package hodei

// SourceKey is the key of the job that fetches the source of a run, and the name of the
// artifact with its tree.
const SourceKey = "source"

// What an execution has to do with the source of its run.
const (
	// SourceFetched is the execution that fetches it.
	SourceFetched = "fetched"
	// SourceUploaded stands for the upload of it, and runs nothing.
	SourceUploaded = "uploaded"
	// SourceReceived is an execution that starts with its tree.
	SourceReceived = "received"
)

// UploadedSource is a tree that a user has uploaded for a run: a tar archive in a zstd frame.
type UploadedSource struct {
	Blob
	// Files is the number of its files.
	Files int `json:"files" jsonschema:"minimum=0"`
}
