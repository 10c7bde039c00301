package hodei

import "time"

// AuditRecord is one request that changed something, or was refused: who asked for what, on
// which record, when, from where, and with which outcome.
type AuditRecord struct {
	ID AuditID   `json:"id"`
	At time.Time `json:"at"`
	// Kind is how the caller proved who it is; unknown for one that could not.
	Kind CallerKind `json:"kind"`
	// TokenID is the caller's token, also of a session, which begins with one.
	TokenID *TokenID `json:"token_id"`
	Name    string   `json:"name"`
	Role    *Role    `json:"role"`
	// Address is that of the client, as its edge saw it.
	Address   string `json:"address"`
	Operation string `json:"operation"`
	// Resource and ResourceID are the record that was changed, as far as it is one.
	Resource   *string `json:"resource"`
	ResourceID *string `json:"resource_id"`
	// Outcome is OK, or the code of the error.
	Outcome   string `json:"outcome"`
	RequestID string `json:"request_id"`
}

// AuditOK is the outcome of a request that succeeded.
const AuditOK = "OK"

// Audited is the record of a request of this caller for an operation.
func (c Caller) Audited(op, resource, id, outcome string) AuditRecord {
	return AuditRecord{
		Kind: c.Kind, TokenID: c.ID, Name: c.Name, Role: set(c.Role), Address: c.From, Operation: op,
		Resource: set(resource), ResourceID: set(Clip(id, maxQuoted)), Outcome: outcome, RequestID: c.RequestID,
	}
}

// set is a pointer to a value, nil for the zero value.
func set[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}
