package notify

import (
	"maps"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// Outcome is the kind and the outcome of an attempt.
type Outcome struct {
	Kind hodei.NotifyKind
	// Outcome is delivered, retried or failed.
	Outcome string
}

var counted = struct {
	mu sync.Mutex
	by map[Outcome]int
}{by: map[Outcome]int{}}

// Count counts an attempt of this process.
func Count(kind hodei.NotifyKind, outcome string) {
	counted.mu.Lock()
	defer counted.mu.Unlock()
	counted.by[Outcome{kind, outcome}]++
}

// Counts returns the number of attempts of this process since its start.
func Counts() map[Outcome]int {
	counted.mu.Lock()
	defer counted.mu.Unlock()
	return maps.Clone(counted.by)
}
