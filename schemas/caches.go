package schemas

import "github.com/hodei-jobs/hodei"

// The operations on caches, for people, and for workers, which find and save the caches of an
// execution. Content is transferred with the operations in artifacts.go.
var (
	ListCaches = declare[ListCachesRequest, List[hodei.Cache]](Op{
		Name: "caches.list", Role: hodei.Viewer, Limit: "id", Service: Artifacts, Method: "GET", Path: "/pipelines/{id}/caches",
		Summary: "List the caches of a pipeline, newest first", Errors: []hodei.Code{hodei.NotFound},
	})
	DeleteCache = declare[DeleteCacheRequest, Empty](Op{
		Name: "caches.delete", Role: hodei.Operator, Limit: "id", Service: Artifacts, Method: "DELETE", Path: "/caches/{id}", Status: 204,
		Summary: "Delete a cache: the next job that completes without it saves it anew", Errors: []hodei.Code{hodei.NotFound},
	})
	FindCache = declare[FindCacheRequest, FoundCache](Op{
		Name: "caches.find", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary: "Find the cache with which an execution on the worker starts",
		Errors:  []hodei.Code{hodei.Conflict, hodei.Forbidden},
	})
	SaveCache = declare[SaveCacheRequest, SavedCache](Op{
		Name: "caches.save", Role: hodei.RoleWorker, Service: Artifacts, ByWorker: true,
		Summary:     "Record a cache of an execution that runs on the worker",
		Description: "NOT_FOUND means that the content is not stored yet and must be sent first.",
		Errors:      []hodei.Code{hodei.NotFound, hodei.Conflict, hodei.Forbidden, hodei.Rejected},
	})
)

// ListCachesRequest identifies a pipeline.
type ListCachesRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
	// Key selects caches whose keys begin with this text.
	Key string `json:"key,omitempty" in:"query" jsonschema:"maxLength=1000"`
	Page
}

// DeleteCacheRequest identifies the cache to delete.
type DeleteCacheRequest struct {
	ID hodei.CacheID `json:"id" in:"path"`
}

// FindCacheRequest describes the cache that an execution starts with.
type FindCacheRequest struct {
	OnWorker
	Key string `json:"key"`
	// Restore are prefixes of keys, tried in order if no cache has the key. The newest cache
	// with the prefix is found.
	Restore []string `json:"restore,omitempty"`
	// Paths are the paths in the definition of the job. A cache with other paths does not match.
	Paths []string `json:"paths"`
}

// Validate reports values that postgres would refuse.
func (r FindCacheRequest) Validate() error {
	for _, prefix := range r.Restore {
		if len(prefix) > hodei.MaxCacheKey {
			return hodei.InvalidField("restore", "a prefix is longer than 1000 bytes")
		}
	}
	return validCache(r.OnWorker, r.Key, r.Paths)
}

// FoundCache is the cache that was found.
type FoundCache struct {
	// Cache is null if there is none.
	Cache *hodei.Cache `json:"cache"`
}

// SaveCacheRequest records a cache.
type SaveCacheRequest struct {
	OnWorker
	hodei.Blob
	Key   string   `json:"key"`
	Paths []string `json:"paths"`
	Files int      `json:"files"`
}

// Validate reports values that postgres would refuse.
func (r SaveCacheRequest) Validate() error {
	if err := validBlob(r.Blob); err != nil {
		return err
	}
	if r.Files < 0 {
		return hodei.InvalidField("files", "must not be negative")
	}
	return validCache(r.OnWorker, r.Key, r.Paths)
}

// SavedCache is the outcome of a request to save a cache.
type SavedCache struct {
	// Saved is false if a cache with the key exists already. That cache stays.
	Saved bool `json:"saved"`
}

func validCache(on OnWorker, key string, paths []string) error {
	switch {
	case key == "" || len(key) > hodei.MaxCacheKey:
		return hodei.InvalidField("key", "1 to 1000 bytes required")
	case len(paths) == 0 || len(paths) > 100:
		return hodei.InvalidField("paths", "1 to 100 required")
	}
	return on.Validate()
}
