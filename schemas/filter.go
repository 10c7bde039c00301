package schemas

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// OneOf is a filter that selects records with one of several values; empty, it
// selects all. In JSON and in a query it is the values separated by commas. A
// value is a string in JSON, without commas.
type OneOf[T any] []T

// Any returns a filter of these values.
func Any[T any](values ...T) OneOf[T] { return values }

// MarshalJSON writes the values separated by commas.
func (o OneOf[T]) MarshalJSON() ([]byte, error) { return hodei.JSON(o.String()) }

// String returns the values separated by commas.
func (o OneOf[T]) String() string {
	texts := make([]string, len(o))
	for i, v := range o {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ",")
}

// UnmarshalJSON reads values separated by commas, or null.
func (o *OneOf[T]) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*o = nil
	if text != nil && *text != "" {
		for part := range strings.SplitSeq(*text, ",") {
			quoted, err := json.Marshal(part)
			if err != nil {
				return err
			}
			var value T
			if err := json.Unmarshal(quoted, &value); err != nil {
				return err
			}
			*o = append(*o, value)
		}
	}
	return nil
}

// States returns the states of a filter in upper case; their case does not
// matter. It returns an error for a state that the table does not have.
func States[S ~string](field string, filter OneOf[S], of hodei.Transitions[S]) ([]S, error) {
	known := of.States()
	var states []S
	for _, s := range filter {
		state := S(strings.ToUpper(string(s)))
		if !slices.Contains(known, state) {
			return nil, hodei.InvalidField(field, fmt.Sprintf("%s required, several separated by commas", OneOf[S](known)))
		}
		states = append(states, state)
	}
	return states, nil
}

// Created selects records by the time at which they were created. For a worker that is
// registered_at, the time at which its process registered.
type Created struct {
	// CreatedAfter selects records created, or workers registered, at that time or later.
	CreatedAfter *time.Time `json:"created_after,omitempty" in:"query"`
	// CreatedBefore selects records created, or workers registered, earlier.
	CreatedBefore *time.Time `json:"created_before,omitempty" in:"query"`
}
