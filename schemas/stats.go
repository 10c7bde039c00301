package schemas

// GetStatsRequest requests statistics of a recent window.
type GetStatsRequest struct {
	// WindowSeconds is the length of the window; an hour if left out.
	WindowSeconds int `json:"window_seconds,omitempty" in:"query" jsonschema:"minimum=60,maximum=86400"`
	// BucketSeconds is the length of one bucket; a sixtieth of the window if
	// left out. The window is rounded to whole buckets, at most 1440.
	BucketSeconds int `json:"bucket_seconds,omitempty" in:"query" jsonschema:"minimum=1,maximum=86400"`
}

// maxBuckets limits the buckets of a reply.
const maxBuckets = 1440

// Shape returns the length of a bucket in seconds and the number of buckets.
func (r GetStatsRequest) Shape() (bucket, n int) {
	window := r.WindowSeconds
	if window == 0 {
		window = 3600
	}
	bucket = r.BucketSeconds
	if bucket == 0 {
		bucket = window / 60
	}
	bucket = max(bucket, window/maxBuckets, 1)
	return bucket, min(max(window/bucket, 1), maxBuckets)
}
