package hodei

import "time"

// Outcomes counts ended executions by outcome.
type Outcomes struct {
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	TimedOut  int `json:"timed_out"`
}

// Add adds the other's counts.
func (o *Outcomes) Add(other Outcomes) {
	o.Completed += other.Completed
	o.Failed += other.Failed
	o.Cancelled += other.Cancelled
	o.TimedOut += other.TimedOut
}

// Period counts ended executions in an interval of a fixed length.
type Period struct {
	BeginsAt time.Time `json:"begins_at"`
	Outcomes
}

// Quantiles are in seconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// Stats are statistics of executions.
type Stats struct {
	TakenAt       time.Time `json:"taken_at"`
	WindowSeconds int       `json:"window_seconds"`
	BucketSeconds int       `json:"bucket_seconds"`
	// Pending and Running are the current counts.
	Pending int `json:"pending"`
	Running int `json:"running"`
	// Outcomes are the counts of the window.
	Outcomes
	// QueuedSeconds is how long executions waited before they started,
	// DurationSeconds how long they ran; null without executions.
	QueuedSeconds   *Quantiles `json:"queued_seconds"`
	DurationSeconds *Quantiles `json:"duration_seconds"`
	// Buckets are the window in equal parts, oldest first. The last is still in
	// progress.
	Buckets []Period `json:"buckets"`
}
