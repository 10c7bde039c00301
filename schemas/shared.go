package schemas

import "github.com/hodei-jobs/hodei"

// A request that several executions of one worker share has an entry for each, and its
// reply a result for each, in the same order. Under load a request costs as much as a dozen
// entries. Each entry is valid or not by itself, so that one does not fail the others.

// MaxShared is the most entries of a shared request, MaxSharedBytes the size of its entries
// altogether: far below the largest body of a request.
const (
	MaxShared      = 128
	MaxSharedBytes = 256 << 10
)

// sharedEntry is about how many bytes an entry takes without what users bring.
const sharedEntry = 1 << 10

// Size is about how many bytes the entry takes. A request that turns out to be too large
// after all is refused as a whole, and its entries are sent one by one.
func (e End) Size() int { return sharedEntry + e.Outcome.Size() }

// Size is about how many bytes the entry takes.
func (r ExecutionRequest) Size() int {
	size := sharedEntry + r.Spec.Size()
	if r.Sealed != nil {
		size += 4 * len(r.Sealed.Data) / 3
	}
	return size
}

// Results are the results of the entries of a shared request, in their order.
type Results[T any] struct {
	Results []Result[T] `json:"results"`
}

// Result is the result of one entry: a value, or an error.
type Result[T any] struct {
	Value *T           `json:"value,omitempty"`
	Error *hodei.Error `json:"error,omitempty"`
}

// Get returns the result of an entry by its place in the request.
func (r Results[T]) Get(i int) (value T, err error) {
	switch {
	case i >= len(r.Results):
		return value, hodei.Errorf(hodei.Internal, "The reply has no result for entry %d of the request", i)
	case r.Results[i].Error != nil:
		return value, r.Results[i].Error
	case r.Results[i].Value == nil:
		return value, hodei.Errorf(hodei.Internal, "The result of entry %d of the request is empty", i)
	}
	return *r.Results[i].Value, nil
}

// checkShared checks the number of entries of a shared request.
func checkShared(field string, n int) error {
	if n < 1 || n > MaxShared {
		return hodei.InvalidField(field, "1 to 128 entries required")
	}
	return nil
}
