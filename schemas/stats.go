package schemas

// GetStatsRequest asks for statistics of the last while.
type GetStatsRequest struct {
	// WindowSeconds is how far back to look; an hour when left out.
	WindowSeconds int `json:"window_seconds,omitempty" in:"query" jsonschema:"minimum=60,maximum=86400"`
	// BucketSeconds is the length of one bucket, a sixtieth of the window when
	// left out. The window is made to hold whole ones, at most 1440.
	BucketSeconds int `json:"bucket_seconds,omitempty" in:"query" jsonschema:"minimum=1,maximum=86400"`
}

// maxBuckets is how many buckets an answer has at most.
const maxBuckets = 1440

// Shape is the length of a bucket in seconds, and how many there are.
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
