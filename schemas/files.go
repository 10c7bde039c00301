package schemas

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed v1/*.json internal/*.json
var files embed.FS

// OpenAPI is the OpenAPI 3.1 document of every operation with a route.
//
//go:embed openapi.json
var OpenAPI []byte

// JSONSchema returns the published JSON Schema (draft 2020-12) with this name,
// such as "create_pipeline_request", or with this $id. It fails if none is
// published.
func JSONSchema(name string) ([]byte, error) {
	name = strings.TrimPrefix(name, SchemaID(""))
	body, err := files.ReadFile("v1/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("schema %q is not published", name)
	}
	return body, nil
}

// InternalSchema returns the JSON Schema of that name of a message that Hodei's own
// programs send each other, which is not published: it may change with every version.
func InternalSchema(name string) ([]byte, error) {
	body, err := files.ReadFile("internal/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("no internal schema %q", name)
	}
	return body, nil
}

// RequestDocument returns the JSON Schema of the operation's request.
func (o *Op) RequestDocument() ([]byte, error) {
	name := o.RequestSchema()
	if body, err := InternalSchema(name); err == nil {
		return body, nil
	}
	return JSONSchema(name)
}

// Digest is the SHA-256, in hex, of the published JSON Schema of that name
// without insignificant space: of what hodei.v1.schemas.get answers, and of
// what `jq -cj .schema` makes of that. It fails as JSONSchema does.
func Digest(name string) (string, error) {
	body, err := JSONSchema(name)
	if err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return "", fmt.Errorf("digest schema %s: %w", name, err)
	}
	sum := sha256.Sum256(compact.Bytes())
	return hex.EncodeToString(sum[:]), nil
}
