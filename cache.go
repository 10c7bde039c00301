package hodei

import "time"

// Cache is a set of files that a job has left for later runs of its pipeline, as a tar
// archive in a zstd frame. It does not change.
type Cache struct {
	ID         CacheID    `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Key names it: with its scope and its paths it is unique in the pipeline.
	Key string `json:"key"`
	// Paths are those of the job that left it.
	Paths []string `json:"paths"`
	// Scope is the pull request of a fork whose runs alone use it, such as "pull/7"; null if
	// all runs of the pipeline do.
	Scope *string `json:"scope"`
	// Size is the size of the content in bytes, compressed; Files the number of its files.
	Size  int64 `json:"size"`
	Files int   `json:"files"`
	// SHA256 is the digest of the content.
	SHA256    Digest    `json:"sha256"`
	CreatedAt time.Time `json:"created_at"`
	// UsedAt is the last time that a job received it, or when it was created.
	UsedAt time.Time `json:"used_at"`
}

// MaxCacheKey is the longest key of a cache in bytes, with its references replaced.
const MaxCacheKey = 1000
