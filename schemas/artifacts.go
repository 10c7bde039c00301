package schemas

import (
	"errors"

	"github.com/hodei-jobs/hodei"
)

// The operations of the artifacts service, which stores content by its digest, and artifacts
// that refer to content.
var (
	ListArtifacts = declare[ListArtifactsRequest, List[hodei.Artifact]](Op{
		Name: "artifacts.list", Role: hodei.Viewer, Limit: "id", Service: Artifacts, Method: "GET", Path: "/runs/{id}/artifacts",
		Summary:     "List the artifacts of a run, newest first",
		Description: "The artifacts of the last execution of each job. A rerun also lists the artifacts of jobs that it took from an earlier run.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	ListReports = declare[ListReportsRequest, List[hodei.Artifact]](Op{
		Name: "artifacts.reports", Role: hodei.Viewer, Limit: "id", Service: Artifacts, Method: "GET", Path: "/pipelines/{id}/reports",
		Summary:     "List the artifacts with test reports of the last runs of a pipeline, newest first",
		Description: "The last 100 runs count. An artifact that a rerun took from an earlier run is listed once, with the earlier run.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	GetArtifact = declare[GetArtifactRequest, hodei.Artifact](Op{
		Name: "artifacts.get", Role: hodei.Viewer, Limit: "id", Service: Artifacts, Method: "GET", Path: "/artifacts/{id}",
		Summary: "Get an artifact", Errors: []hodei.Code{hodei.NotFound},
	})
	DeleteArtifact = declare[DeleteArtifactRequest, Empty](Op{
		Name: "artifacts.delete", Role: hodei.Operator, Limit: "id", Service: Artifacts, Method: "DELETE", Path: "/artifacts/{id}", Status: 204,
		Summary: "Delete an artifact", Errors: []hodei.Code{hodei.NotFound},
	})
	ArtifactContent = declare[ArtifactContentRequest, Empty](Op{
		Name: "artifacts.content", Role: hodei.Viewer, Limit: "id", Service: Edge, Method: "GET", Path: "/artifacts/{id}/content", File: true,
		Summary: "Download an artifact", Errors: []hodei.Code{hodei.NotFound},
		Description: "The stored content, a tar archive in a zstd frame. Its ETag is its SHA-256; Range and If-None-Match work. " +
			"With format=zip the reply is a zip archive, with path it is one file; neither has a Content-Length. " +
			"With format=list it is JSON: items, each with path, size and directory, and truncated, which is true if there are more than 10,000.",
	})
	ReadArtifact = declare[ReadArtifactRequest, Chunk](Op{
		Name: "artifacts.read", Role: hodei.Viewer, Limit: "id", Service: Artifacts, AskedBy: []string{Edge},
		Summary:     "Read a part of the content of an artifact",
		Description: "The bytes follow the JSON of the reply; the header Hodei-Attached has their number.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	KeepArtifacts = declare[KeepArtifactsRequest, KeptArtifacts](Op{
		Name: "artifacts.keep", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Record the artifacts of an execution that runs on the worker, whose content is stored: all of them at once",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden},
	})
	FindInputs = declare[FindInputsRequest, Inputs](Op{
		Name: "artifacts.inputs", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "List the artifacts that an execution on the worker receives from its needs",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden},
	})
	BeginBlob = declare[BeginBlobRequest, Upload](Op{
		Name: "blobs.begin", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Begin or resume to store content for an execution that runs on the worker",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden, hodei.Rejected},
	})
	WriteBlob = declare[WriteBlobRequest, Empty](Op{
		Name: "blobs.write", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Write a part of the content; a repeat changes nothing", Errors: []hodei.Code{hodei.NotFound, hodei.Forbidden},
	})
	CommitBlob = declare[CommitBlobRequest, hodei.Blob](Op{
		Name: "blobs.commit", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Verify the content and store it under its digest; a repeat changes nothing",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden},
	})
	ReadBlob = declare[ReadBlobRequest, Chunk](Op{
		Name: "blobs.read", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Read a part of content that an execution on the worker receives",
		Errors:  []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden},
	})
)

// ListArtifactsRequest identifies a run.
type ListArtifactsRequest struct {
	ID hodei.RunRef `json:"id" in:"path"`
	Page
}

// ListReportsRequest identifies a pipeline.
type ListReportsRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
	Page
}

// GetArtifactRequest identifies an artifact.
type GetArtifactRequest struct {
	ID hodei.ArtifactID `json:"id" in:"path"`
}

// DeleteArtifactRequest identifies the artifact to delete.
type DeleteArtifactRequest struct {
	ID hodei.ArtifactID `json:"id" in:"path"`
}

// ArtifactContentRequest asks for the content of an artifact.
type ArtifactContentRequest struct {
	ID hodei.ArtifactID `json:"id" in:"path"`
	// Format is the format of the reply; list returns a list of the files instead of content.
	Format string `json:"format,omitempty" in:"query" jsonschema:"enum=tar.zst,enum=zip,enum=list,default=tar.zst"`
	// Path selects one file of the artifact.
	Path string `json:"path,omitempty" in:"query" jsonschema:"maxLength=4096"`
}

// ReadArtifactRequest asks for a part of the content.
type ReadArtifactRequest struct {
	ID hodei.ArtifactID `json:"id"`
	// Offset is the first byte of the part. A reply has at most 512 KiB, and none at the end.
	Offset int64 `json:"offset,omitempty" jsonschema:"minimum=0"`
}

// Chunk is a part of content. Its bytes follow the JSON.
type Chunk struct {
	Attached
	// Size is the size of the whole content in bytes.
	Size int64 `json:"size"`
}

// OnWorker names an execution and the worker on which it runs.
type OnWorker struct {
	WorkerID    hodei.WorkerID    `json:"worker_id"`
	ExecutionID hodei.ExecutionID `json:"execution_id"`
}

// Sender is the worker on which the execution runs.
func (o OnWorker) Sender() hodei.WorkerID { return o.WorkerID }

// Validate reports a missing id.
func (o OnWorker) Validate() error {
	if o.WorkerID.IsZero() || o.ExecutionID.IsZero() {
		return hodei.InvalidField("execution_id", "a worker and an execution are required")
	}
	return nil
}

// NewArtifact is an artifact to record.
type NewArtifact struct {
	Name string `json:"name"`
	hodei.Blob
	Files int `json:"files"`
	// KeepSeconds is how long the artifact is kept; null means as long as the run.
	KeepSeconds *float64 `json:"keep_seconds,omitempty"`
	// Report summarizes its test reports; null without any.
	Report *hodei.TestReport `json:"report,omitempty"`
}

// KeepArtifactsRequest records artifacts of an execution. They replace those of earlier
// attempts.
type KeepArtifactsRequest struct {
	OnWorker
	Artifacts []NewArtifact `json:"artifacts"`
}

// Validate reports values that postgres would refuse.
func (r KeepArtifactsRequest) Validate() error {
	for _, a := range r.Artifacts {
		if a.Name == "" || len(a.Name) > 400 || a.Files < 0 {
			return hodei.InvalidField("artifacts", "a name of up to 100 characters is required")
		}
		if err := validBlob(a.Blob); err != nil {
			return err
		}
	}
	return r.OnWorker.Validate()
}

// KeptArtifacts are the recorded artifacts.
type KeptArtifacts struct {
	Artifacts []hodei.Artifact `json:"artifacts"`
}

// FindInputsRequest asks for the artifacts that an execution receives.
type FindInputsRequest struct{ OnWorker }

// Inputs are the artifacts of the needs of an execution, in the order of the jobs.
type Inputs struct {
	Artifacts []hodei.Artifact `json:"artifacts"`
}

// BeginBlobRequest names the content to store.
type BeginBlobRequest struct {
	OnWorker
	hodei.Blob
}

// Validate reports a malformed digest.
func (r BeginBlobRequest) Validate() error {
	return errors.Join(r.OnWorker.Validate(), validBlob(r.Blob))
}

// Upload is content that is being stored.
type Upload struct {
	ID hodei.BlobID `json:"id"`
	// Stored is true if the content is stored already, so nothing needs to be sent.
	Stored bool `json:"stored,omitempty"`
	// Offset is the number of bytes that have arrived without a gap from the start.
	Offset int64 `json:"offset,omitempty"`
}

// WriteBlobRequest carries a part of content.
type WriteBlobRequest struct {
	OnWorker
	ID     hodei.BlobID `json:"id"`
	Offset int64        `json:"offset"`
	Attached
}

// CommitBlobRequest names the content that has been written.
type CommitBlobRequest struct {
	OnWorker
	ID hodei.BlobID `json:"id"`
}

// ReadBlobRequest asks for a part of content.
type ReadBlobRequest struct {
	OnWorker
	SHA256 hodei.Digest `json:"sha256"`
	Offset int64        `json:"offset"`
}

// Validate reports a malformed digest.
func (r ReadBlobRequest) Validate() error {
	return errors.Join(r.OnWorker.Validate(), validBlob(hodei.Blob{SHA256: r.SHA256, Size: r.Offset}))
}

func validBlob(b hodei.Blob) error {
	if _, err := b.SHA256.Bytes(); err != nil {
		return hodei.InvalidField("sha256", err.Error())
	}
	if b.Size < 0 {
		return hodei.InvalidField("size", "must not be negative")
	}
	return nil
}
