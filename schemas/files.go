package schemas

import (
	"embed"
	"fmt"
)

//go:embed v1/*.json
var files embed.FS

// OpenAPI is the OpenAPI 3.1 document of every operation that has a route.
//
//go:embed openapi.json
var OpenAPI []byte

// JSONSchema returns the published JSON Schema (draft 2020-12) of that name,
// as in "create_pipeline_request". It fails for a name that is not published.
func JSONSchema(name string) ([]byte, error) {
	body, err := files.ReadFile("v1/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("schema %q is not published", name)
	}
	return body, nil
}
