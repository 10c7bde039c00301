package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// extraTypes are published without being the request or reply of an operation.
var extraTypes = []reflect.Type{
	reflect.TypeFor[hodei.Error](), reflect.TypeFor[hodei.Availability](), reflect.TypeFor[Event](),
	reflect.TypeFor[Stored](), reflect.TypeFor[LogEnd](), reflect.TypeFor[WorkerState](), reflect.TypeFor[Resync](), reflect.TypeFor[EventsEnd](), reflect.TypeFor[Readiness](),
}

// TestGenerated keeps v1/*.json and openapi.json equal to what the types and
// the operation table say. Run with -update to rewrite them.
func TestGenerated(t *testing.T) {
	g := newGenerator(t)
	want := map[string][]byte{"openapi.json": encode(t, openAPI(t))}
	for _, typ := range published() {
		name := SchemaName(typ)
		want["v1/"+name+".json"] = encode(t, g.document(typ, name))
	}
	if *update {
		old, err := filepath.Glob("v1/*.json")
		require.NoError(t, err)
		for _, path := range old {
			require.NoError(t, os.Remove(path))
		}
		for path, body := range want {
			require.NoError(t, os.WriteFile(path, body, 0o644))
		}
	}
	for path, body := range want {
		got, err := os.ReadFile(path)
		require.NoError(t, err, "run: go test ./schemas -update")
		require.Equal(t, string(body), string(got), "%s is stale; run: go test ./schemas -update", path)
	}
	entries, err := os.ReadDir("v1")
	require.NoError(t, err)
	require.Len(t, entries, len(want)-1, "v1/ holds files that nothing generates; run: go test ./schemas -update")
}

// published is every type with a schema file of its own.
func published() []reflect.Type {
	seen, types := map[reflect.Type]bool{}, []reflect.Type(nil)
	add := func(typ reflect.Type) {
		if !seen[typ] {
			seen[typ] = true
			types = append(types, typ)
		}
	}
	for _, op := range Operations {
		add(op.Request)
		add(op.Reply)
	}
	for _, typ := range extraTypes {
		add(typ)
	}
	return types
}

func encode(t testing.TB, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	return b.Bytes()
}
