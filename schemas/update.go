package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"github.com/hodei-jobs/hodei"
)

// PlaceUpdate changes a job's place in its pipeline and its surroundings: the fields of
// hodei.Setup and hodei.Graph, under the same names. null removes a field.
type PlaceUpdate struct {
	Shell     Patch[hodei.Shell]              `json:"shell,omitzero" null:"true"`
	After     Patch[string]                   `json:"after,omitzero" null:"true" jsonschema:"maxLength=131072"`
	Checkout  Patch[bool]                     `json:"checkout,omitzero" null:"true"`
	Artifacts Patch[[]hodei.ArtifactSpec]     `json:"artifacts,omitzero" null:"true"`
	Caches    Patch[[]hodei.CacheSpec]        `json:"caches,omitzero" null:"true"`
	Secrets   Patch[[]hodei.SecretRef]        `json:"secrets,omitzero" null:"true"`
	Container Patch[hodei.Container]          `json:"container,omitzero" null:"true"`
	Services  Patch[map[string]hodei.Sidecar] `json:"services,omitzero" null:"true"`
	Limits    Patch[hodei.Limits]             `json:"limits,omitzero" null:"true"`
	RunAs     Patch[string]                   `json:"run_as,omitzero" null:"true" jsonschema:"maxLength=64"`

	Key          Patch[string]             `json:"key,omitzero" null:"true" jsonschema:"maxLength=63,pattern=^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	Finally      Patch[bool]               `json:"finally,omitzero" null:"true"`
	Needs        Patch[[]hodei.Need]       `json:"needs,omitzero" null:"true"`
	When         Patch[hodei.When]         `json:"when,omitzero" null:"true" jsonschema:"enum=success,enum=failure,enum=always"`
	If           Patch[hodei.Conditions]   `json:"if,omitzero" null:"true"`
	Matrix       Patch[hodei.Matrix]       `json:"matrix,omitzero" null:"true"`
	AllowFailure Patch[hodei.AllowFailure] `json:"allow_failure,omitzero" null:"true"`
	Approval     Patch[hodei.Gate]         `json:"approval,omitzero" null:"true"`
	Pipeline     Patch[hodei.Call]         `json:"pipeline,omitzero" null:"true"`
}

// IsZero reports whether nothing is changed.
func (u PlaceUpdate) IsZero() bool { return reflect.ValueOf(u).IsZero() }

// Apply changes the specification.
func (u PlaceUpdate) Apply(spec *hodei.Spec) error {
	change, err := hodei.JSON(u)
	if err != nil {
		return fmt.Errorf("encode change: %w", err)
	}
	for _, part := range []any{&spec.Setup, &spec.Graph} {
		if err := overlay(part, change); err != nil {
			return err
		}
	}
	return nil
}

// overlay lays the fields of a JSON object over those of a struct, which it points to: null
// removes one. Fields that the struct does not have are ignored.
func overlay(part any, change []byte) error {
	now, err := hodei.JSON(part)
	fields := map[string]json.RawMessage{}
	for _, body := range [][]byte{now, change} {
		if err == nil {
			err = json.Unmarshal(body, &fields)
		}
	}
	maps.DeleteFunc(fields, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	var merged []byte
	if err == nil {
		merged, err = hodei.JSON(fields)
	}
	if err != nil {
		return fmt.Errorf("change job: %w", err)
	}
	fresh := reflect.New(reflect.TypeOf(part).Elem())
	if err := json.Unmarshal(merged, fresh.Interface()); err != nil {
		return fmt.Errorf("change job: %w", err)
	}
	reflect.ValueOf(part).Elem().Set(fresh.Elem())
	return nil
}
