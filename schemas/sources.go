package schemas

import "github.com/hodei-jobs/hodei"

// The operations to upload the tree of a run. The client packs the tree, uploads it, and gives
// its digest in the request that executes the pipeline.
var (
	BeginSource = declare[BeginSourceRequest, Upload](Op{
		Name: "sources.begin", Role: hodei.Developer, Limit: "id", Service: Artifacts, Method: "POST", Path: "/pipelines/{id}/sources", Status: 201,
		Summary:     "Begin or resume to upload a tree for a run of the pipeline",
		Description: "The content is a tar archive in a zstd frame. A repeat returns the same upload with the number of bytes that have arrived.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Rejected},
	})
	WriteSource = declare[WriteSourceRequest, Empty](Op{
		Name: "sources.write", Role: hodei.Developer, Limit: "id", Service: Artifacts, Method: "PUT", Path: "/pipelines/{id}/sources/{upload_id}", Status: 204,
		Summary: "Write a part of an upload, at most 512 KiB; a repeat changes nothing", Errors: []hodei.Code{hodei.NotFound},
	})
	CommitSource = declare[CommitSourceRequest, hodei.Blob](Op{
		Name: "sources.commit", Role: hodei.Developer, Limit: "id", Service: Artifacts, Method: "POST", Path: "/pipelines/{id}/sources/{upload_id}/commit",
		Summary:     "Verify an upload and store it under its digest; a repeat changes nothing",
		Description: "A run that names the digest within an hour starts with the tree. A tree that no run names is deleted.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
)

// BeginSourceRequest names the content to upload.
type BeginSourceRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
	hodei.Blob
}

// Validate reports a malformed digest.
func (r BeginSourceRequest) Validate() error { return validBlob(r.Blob) }

// WriteSourceRequest carries a part of the content.
type WriteSourceRequest struct {
	ID       hodei.PipelineRef `json:"id" in:"path"`
	UploadID hodei.BlobID      `json:"upload_id" in:"path"`
	Offset   int64             `json:"offset,omitempty" jsonschema:"minimum=0"`
	// Data is the part, in base64.
	Data []byte `json:"data" jsonschema:"required"`
}

// Validate reports a part that is too large.
func (r WriteSourceRequest) Validate() error {
	if len(r.Data) > ChunkBytes {
		return hodei.InvalidField("data", "at most 512 KiB allowed")
	}
	return nil
}

// CommitSourceRequest names the upload that has been written.
type CommitSourceRequest struct {
	ID       hodei.PipelineRef `json:"id" in:"path"`
	UploadID hodei.BlobID      `json:"upload_id" in:"path"`
}
