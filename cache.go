package hodei

import "time"

// Cache is a set of files that a job has left for later runs of its pipeline, as a tar
// archive in a zstd frame. A cache does not change.
type Cache struct {
	ID         CacheID    `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Key names the cache. Key, scope and paths together are unique in the pipeline.
	Key string `json:"key"`
	// Paths are the paths of the cache in the definition of the job that left it.
	Paths []string `json:"paths"`
	// Scope limits the cache to the runs of one pull request from a fork, such as "pull/7"; null
	// if all runs of the pipeline may use it.
	Scope *string `json:"scope"`
	// Size is the size of the compressed content in bytes. Files is the number of files in it.
	Size  int64 `json:"size"`
	Files int   `json:"files"`
	// SHA256 is the digest of the content.
	SHA256    Digest    `json:"sha256"`
	CreatedAt time.Time `json:"created_at"`
	// UsedAt is when a job last received the cache, or when the cache was created.
	UsedAt time.Time `json:"used_at"`
}

// MaxCacheKey is the longest key of a cache in bytes, with its references replaced.
const MaxCacheKey = 1000
