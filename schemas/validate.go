package schemas

import (
	"crypto/sha256"

	"github.com/hodei-jobs/hodei"
)

// The requests that Hodei's programs send each other for every execution
// validate themselves. Validating them against their JSON Schemas takes five
// times as long as decoding them (25 µs against 5 µs each, measured by
// BenchmarkDecode in internal/rpc). An operation with a route never uses these
// methods.

// Validate checks the request's values.
func (r PlaceRequest) Validate() error {
	switch {
	case r.ExecutionID.IsZero():
		return hodei.InvalidField("execution_id", "required")
	case !hodei.IsTime(r.ExecutionID.Time()):
		return hodei.InvalidField("execution_id", "made in a year from 1 to 9999 required")
	}
	return hodei.Within("spec", r.Spec.Validate())
}

// Validate checks the request's values.
func (r StartRequest) Validate() error {
	if r.WorkerID.IsZero() {
		return hodei.InvalidField("worker_id", "required")
	}
	return r.PlaceRequest.Validate()
}

// Validate checks the request's values.
func (r FinishRequest) Validate() error {
	if r.WorkerID.IsZero() {
		return hodei.InvalidField("worker_id", "required")
	}
	return checkShared("ends", len(r.Ends))
}

// Validate checks the values of one entry.
func (e End) Validate() error {
	if e.ExecutionID.IsZero() {
		return hodei.InvalidField("execution_id", "required")
	}
	return hodei.Within("outcome", e.Outcome.Validate())
}

// Validate checks the request's values.
func (r OfferRequest) Validate() error { return checkShared("offers", len(r.Offers)) }

// Validate checks the request's values.
func (r AssignExecutionsRequest) Validate() error {
	if r.WorkerID.IsZero() {
		return hodei.InvalidField("worker_id", "required")
	}
	return checkShared("execution_ids", len(r.ExecutionIDs))
}

// Validate checks the values of one entry.
func (r ExecutionRequest) Validate() error {
	switch lost := r.LostAfterSeconds; {
	case r.ExecutionID.IsZero():
		return hodei.InvalidField("execution_id", "required")
	case r.Command.IsZero():
		return hodei.InvalidField("command", "required")
	case lost != nil && !hodei.IsTimeout(*lost):
		return hodei.InvalidField("lost_after_seconds", "more than 0 and at most 31536000 required")
	}
	return r.Spec.Validate()
}

// Validate checks the request's values.
func (r ReadLogsRequest) Validate() error {
	switch {
	case r.ID.IsZero():
		return hodei.InvalidField("id", "required")
	case r.After < 0 || r.After > hodei.MaxSequence:
		return hodei.InvalidField("after", "0 to 2^53 required")
	case r.Limit < 0 || r.Limit > 10000:
		return hodei.InvalidField("limit", "0 to 10000 required")
	}
	return nil
}

// Validate checks the values that a reader of the feed computes with.
func (e Event) Validate() error {
	_, known := hodei.ExecutionTransitions[e.Execution.Status]
	switch free := e.Free; {
	case e.Execution.ID.IsZero():
		return hodei.InvalidField("execution.id", "required")
	case !known:
		return hodei.InvalidField("execution.status", "not the state of an execution")
	case free != nil && (*free < 0 || *free > hodei.MaxSlots):
		return hodei.InvalidField("free", "0 to 10000 required")
	}
	return hodei.Within("execution.requirements", e.Execution.Requirements.Validate())
}

// Validate checks the request's values.
func (r AuthenticateRequest) Validate() error { return checkHash("hash", r.Hash) }

// Validate checks the request's values.
func (r CreateSessionRequest) Validate() error {
	if r.User == nil {
		if err := checkHash("hash", r.Hash); err != nil {
			return err
		}
	}
	return checkHash("session", r.Session)
}

// Validate checks the request's values.
func (r DeleteSessionRequest) Validate() error { return checkHash("session", r.Session) }

func checkHash(field string, hash []byte) error {
	if len(hash) != sha256.Size {
		return hodei.InvalidField(field, "a SHA-256 required")
	}
	return nil
}
