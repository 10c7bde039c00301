package edge

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// wantsYAML reports whether the Accept header names YAML before JSON.
func wantsYAML(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, _, _ := mime.ParseMediaType(part)
		switch {
		case media == "application/json":
			return false
		case slices.Contains(yamlTypes, media):
			return true
		}
	}
	return false
}

// answerYAML answers with the definition of a pipeline as a file.
func answerYAML(w http.ResponseWriter, reply rpc.Reply) error {
	body, err := definition.FromJSON(reply.Body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.WriteHeader(reply.Status)
	_, _ = w.Write(body) // a client that has gone needs no answer
	return nil
}

// definitionSchema is the JSON Schema of hodei.yaml, for editors.
func definitionSchema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(definition.Schema)
}
