package schemas

import (
	"encoding/json"

	"github.com/hodei-jobs/hodei"
)

// Definitions of pipelines, as hodei.yaml has them.
var (
	ApplyPipeline = declare[ApplyPipelineRequest, AppliedPipeline](Op{
		Name: "pipelines.apply", Role: hodei.Operator, DryRun: true, Limit: "slug", Service: Orchestrator, Method: "PUT", Path: "/pipelines/{slug}", Other: 201, YAML: true,
		Summary: "Create or change a pipeline and its jobs by a definition: 201 when it is new",
		Description: "The body is hodei.yaml, as application/yaml or as the equivalent JSON. Jobs are created, changed and deleted by " +
			"their keys, in one transaction; nothing is changed unless all of the definition is valid: the error lists every problem " +
			"with its field, line and column. Runs and executions that exist keep what they have, those of a deleted job too. " +
			"With dry_run nothing is written.",
	})
	GetDefinition = declare[GetDefinitionRequest, PipelineDocument](Op{
		Name: "pipelines.definition", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/pipelines/{id}/definition", YAML: true,
		Summary:     "Get the definition of a pipeline",
		Description: "It can be applied again without a change. Accept: application/yaml gives it as YAML.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
)

// The formats of a document.
const (
	FormatYAML = "yaml"
	FormatJSON = "json"
)

// ApplyPipelineRequest is a definition: either its text in document, or its fields in
// the request itself, beside these. Over HTTP the body is the definition.
type ApplyPipelineRequest struct {
	// Slug names the pipeline.
	Slug string `json:"slug" in:"path" jsonschema:"minLength=1,maxLength=200"`
	// DryRun checks and compares, and writes nothing.
	DryRun bool `json:"dry_run,omitempty" in:"query"`
	// Document is the text of the definition; problems name its lines.
	Document string `json:"document,omitempty"`
	// Format is the syntax of document, yaml when left out.
	Format string `json:"format,omitempty" jsonschema:"enum=yaml,enum=json"`
	// Fields is the request without the fields above.
	Fields json.RawMessage `json:"-"`
}

// MarshalJSON writes the fields of the definition beside the others.
func (r ApplyPipelineRequest) MarshalJSON() ([]byte, error) {
	type plain ApplyPipelineRequest
	own, err := hodei.JSON(plain(r))
	if err != nil || len(r.Fields) == 0 {
		return own, err
	}
	all := map[string]json.RawMessage{}
	for _, part := range [][]byte{r.Fields, own} {
		if err := json.Unmarshal(part, &all); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads the request, and keeps the fields of the definition as they are.
func (r *ApplyPipelineRequest) UnmarshalJSON(body []byte) error {
	type plain ApplyPipelineRequest
	if err := json.Unmarshal(body, (*plain)(r)); err != nil {
		return err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	for _, own := range []string{"slug", "dry_run", "document", "format"} {
		delete(fields, own)
	}
	var err error
	if r.Fields = nil; len(fields) > 0 {
		r.Fields, err = json.Marshal(fields)
	}
	return err
}

// AppliedPipeline is the result of applying a definition.
type AppliedPipeline struct {
	// Pipeline is null when a dry run would create it.
	Pipeline *hodei.Pipeline `json:"pipeline"`
	// Changes are the differences from the previous definition.
	Changes []hodei.Change `json:"changes"`
	// Warnings are likely mistakes.
	Warnings []hodei.Problem `json:"warnings"`
	// New is true of a pipeline that was created.
	New bool `json:"-"`
}

// StatusCode is 201 for a pipeline that was created.
func (a AppliedPipeline) StatusCode() int {
	if a.New {
		return 201
	}
	return 200
}

// GetDefinitionRequest names a pipeline.
type GetDefinitionRequest struct {
	ID hodei.PipelineRef `json:"id" in:"path"`
}

// PipelineDocument is a definition as the equivalent JSON of hodei.yaml.
type PipelineDocument json.RawMessage

// MarshalJSON returns the document as it is.
func (d PipelineDocument) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// UnmarshalJSON keeps the document as it is.
func (d *PipelineDocument) UnmarshalJSON(body []byte) error {
	return (*json.RawMessage)(d).UnmarshalJSON(body)
}
