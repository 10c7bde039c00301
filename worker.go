package hodei

import "time"

// Worker is one worker of the fleet, as users see it.
type Worker struct {
	ID     WorkerID          `json:"id"`
	Name   *string           `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Status WorkerStatus      `json:"status"`
	// Capacity is the number of free slots, TotalCapacity of all slots.
	Capacity      int `json:"capacity"`
	TotalCapacity int `json:"total_capacity"`
	// Running is the number of its executions now.
	Running      int        `json:"running"`
	RegisteredAt time.Time  `json:"registered_at"`
	LastSeenAt   *time.Time `json:"last_seen_at"`
	// AckLatencySeconds is the smoothed time to accept an offer.
	AckLatencySeconds *float64 `json:"ack_latency_seconds"`
	// SuccessRate is the share of its recent executions that did not fail
	// because of the worker: it was not lost and could start them.
	SuccessRate *float64 `json:"success_rate"`
	Version     *string  `json:"version"`
	// Blocked is why the worker currently accepts nothing: its disk lacks
	// space.
	Blocked *string `json:"blocked"`
	// Cordoned workers accept no new work and stay connected, until uncordoned.
	Cordoned bool `json:"cordoned"`
	// Dedicated workers accept only executions that name their type.
	Dedicated bool `json:"dedicated"`
}

// Availability is a worker's report of its state and slots: the value of its
// key in the WORKERS bucket. Only the worker writes the key; each write renews
// its lease.
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
	// Blocked is why the worker currently accepts nothing: its disk lacks
	// space.
	Blocked string `json:"blocked,omitempty"`
	// Cordoned and Dedicated are those of Worker.
	Cordoned  bool `json:"cordoned,omitempty"`
	Dedicated bool `json:"dedicated,omitempty"`
	// SealKey is the public key of this process, to which the secrets of its executions
	// are encrypted.
	SealKey string `json:"seal_key,omitempty"`
	// Incarnation identifies one process of the worker. Revision orders the
	// reports of an incarnation: it increases with every change of the slots.
	Incarnation string    `json:"incarnation"`
	Revision    uint64    `json:"revision"`
	Version     string    `json:"version"`
	At          time.Time `json:"at"`
}
