package edge_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// The text of a definition reaches the service as it is, with its lines.
func TestADefinitionIsSentAsYAMLOrJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := "slug: x # a comment\njobs: {}\n"
	for name, c := range map[string]struct{ query, contentType, body, want string }{
		"yaml":                       {"", "application/yaml", file, `{"slug":"x","document":"slug: x # a comment\njobs: {}\n","format":"yaml"}`},
		"yaml, by an older name":     {"", "text/x-yaml; charset=utf-8", file, `{"slug":"x","document":"slug: x # a comment\njobs: {}\n","format":"yaml"}`},
		"json keeps its lines":       {"", "application/json", "{\n\"slug\": \"x\"}", `{"slug":"x","document":"{\n\"slug\": \"x\"}","format":"json"}`},
		"json that is none goes on":  {"", "application/json", "{", `{"slug":"x","document":"{","format":"json"}`},
		"without a type it is JSON":  {"", "", "{}", `{"slug":"x","document":"{}","format":"json"}`},
		"a document in the request":  {"", "application/json", `{"document":"a: b"}`, `{"slug":"x","document":"a: b"}`},
		"dry_run is a query":         {"?dry_run=true", "application/yaml", "a: b", `{"slug":"x","dry_run":true,"document":"a: b","format":"yaml"}`},
		"nothing is left to service": {"", "application/yaml", "", `{"slug":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			resp := do(t, "PUT", w.url("/pipelines/x"+c.query), c.body, "Content-Type: "+c.contentType)
			var reply schemas.AppliedPipeline
			body := text(t, resp)
			require.NoError(t, json.Unmarshal([]byte(body), &reply), body)
			require.Len(t, reply.Changes, 1, body)
			require.JSONEq(t, c.want, string(reply.Changes[0].To))
			require.Equal(t, map[bool]int{true: http.StatusCreated, false: http.StatusOK}[c.query != ""], resp.StatusCode)
		})
	}
	for contentType, body := range map[string]string{"text/plain": file, "application/yaml": "a: \xff"} {
		resp := do(t, "PUT", w.url("/pipelines/x"), body, "Content-Type: "+contentType)
		var refused hodei.Error
		require.NoError(t, json.Unmarshal([]byte(text(t, resp)), &refused))
		require.Equal(t, map[string]hodei.Code{"text/plain": hodei.UnsupportedMedia, "application/yaml": hodei.Invalid}[contentType], refused.Code)
	}
	resp := do(t, "POST", w.url("/pipelines"), "name: x", "Content-Type: application/yaml")
	require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode, "no other operation takes YAML")
	require.NotEmpty(t, text(t, resp))
}

func TestADefinitionIsGivenAsYAMLOrJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for accept, want := range map[string]string{
		"":                                   "application/json",
		"*/*":                                "application/json",
		"application/yaml":                   "application/yaml",
		"text/html, application/yaml;q=0.9":  "application/yaml",
		"application/json, application/yaml": "application/json",
	} {
		resp := do(t, "GET", w.url("/pipelines/x/definition"), "", "Accept: "+accept)
		body := text(t, resp)
		require.Equal(t, want, resp.Header.Get("Content-Type"), accept)
		if want == "application/yaml" {
			require.Equal(t, "slug: x\njobs:\n  a:\n    command: |\n      one\n      two\n    env:\n      A: '1.30'\n", body)
		}
	}
	resp := do(t, "GET", w.url("/hodei.schema.json"), "")
	require.Equal(t, "application/schema+json", resp.Header.Get("Content-Type"))
	require.Contains(t, text(t, resp), `"title": "hodei.yaml"`)
}
