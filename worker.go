package hodei

import "time"

// Worker is one member of the fleet, as people see it.
type Worker struct {
	ID     WorkerID          `json:"id"`
	Name   *string           `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Status WorkerStatus      `json:"status"`
	// Capacity is the number of free slots now, TotalCapacity of all.
	Capacity      int `json:"capacity"`
	TotalCapacity int `json:"total_capacity"`
	// Running is the number of executions it runs now.
	Running      int        `json:"running"`
	RegisteredAt time.Time  `json:"registered_at"`
	LastSeenAt   *time.Time `json:"last_seen_at"`
	// AckLatencySeconds is the smoothed time it takes to accept a request.
	AckLatencySeconds *float64 `json:"ack_latency_seconds"`
	// SuccessRate is the share of its last executions that did not fail because
	// of the worker: it was not lost, and could start them.
	SuccessRate *float64 `json:"success_rate"`
	Version     *string  `json:"version"`
	// Blocked is why the worker accepts nothing for now: its disk lacks space.
	Blocked *string `json:"blocked"`
}

// Availability is a worker's report of its state and its slots: the value of its key in
// the WORKERS bucket, written by that worker alone and renewed as its lease.
type Availability struct {
	WorkerID WorkerID          `json:"worker_id"`
	Type     string            `json:"type"`
	Labels   map[string]string `json:"labels,omitempty"`
	Status   WorkerStatus      `json:"status"`
	// Slots is the number of all its slots, Free of those that no execution takes.
	Slots int `json:"slots"`
	Free  int `json:"free"`
	// Running is every execution it holds, from acceptance until the end is
	// recorded.
	Running []ExecutionID `json:"running"`
	// Load is the machine's one-minute load average divided by its cores.
	Load float64 `json:"load"`
	// Blocked is why the worker accepts nothing for now: its disk lacks space.
	Blocked string `json:"blocked,omitempty"`
	// Incarnation tells one process of the worker from the next. Revision orders
	// the reports of one incarnation: it rises with every change of its slots.
	Incarnation string    `json:"incarnation"`
	Revision    uint64    `json:"revision"`
	Version     string    `json:"version"`
	At          time.Time `json:"at"`
}
