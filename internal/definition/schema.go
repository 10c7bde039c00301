package definition

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of hodei.yaml. It is generated from the
// rules of the parser.
//
//go:embed hodei.schema.json
var Schema []byte
