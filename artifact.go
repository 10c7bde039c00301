package hodei

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Artifact is a set of files that a job has left, as a tar archive in a zstd frame. An
// artifact does not change.
type Artifact struct {
	ID ArtifactID `json:"id"`
	// Name is unique among the artifacts of an execution.
	Name string `json:"name"`
	// RunID, RunNumber, JobKey and Leg identify the run and the job that made the artifact; null
	// for an execution without a run.
	RunID       *RunID      `json:"run_id"`
	RunNumber   *int        `json:"run_number"`
	ExecutionID ExecutionID `json:"execution_id"`
	JobKey      *string     `json:"job_key"`
	Leg         Leg         `json:"leg" null:"true"`
	// Size is the size of the compressed content in bytes. Files is the number of files in it.
	Size  int64 `json:"size"`
	Files int   `json:"files"`
	// SHA256 is the digest of the content.
	SHA256    Digest    `json:"sha256"`
	CreatedAt time.Time `json:"created_at"`
	// ExpiresAt is the time at which the artifact is deleted; null if it is deleted with its run.
	ExpiresAt *time.Time `json:"expires_at"`
	// Report summarizes the tests in the JUnit XML files of the artifact; null without such files.
	Report *TestReport `json:"report"`
}

// Digest is a SHA-256 in hexadecimal, in lower case.
type Digest string

// DigestOf returns the digest with the 32 bytes.
func DigestOf(sum [sha256.Size]byte) Digest { return Digest(hex.EncodeToString(sum[:])) }

// Bytes returns the 32 bytes of the digest, or an error for users.
func (d Digest) Bytes() ([]byte, error) {
	sum, err := hex.DecodeString(string(d))
	if err != nil || len(sum) != sha256.Size || strings.ToLower(string(d)) != string(d) {
		return nil, fmt.Errorf("%q is no SHA-256: 64 hexadecimal digits required", Clip(string(d), maxQuoted))
	}
	return sum, nil
}

// Blob is content that is stored under its digest. Artifacts refer to one.
type Blob struct {
	SHA256 Digest `json:"sha256"`
	Size   int64  `json:"size"`
}
