package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// extraTypes are published although they are not the request or reply of an
// operation.
var extraTypes = []reflect.Type{
	reflect.TypeFor[hodei.Error](), reflect.TypeFor[hodei.Availability](), reflect.TypeFor[Event](), reflect.TypeFor[RunEvent](),
	reflect.TypeFor[LogEnd](), reflect.TypeFor[RunLogEnd](), reflect.TypeFor[hodei.RunJob](), reflect.TypeFor[WorkerState](), reflect.TypeFor[Resync](), reflect.TypeFor[EventsEnd](), reflect.TypeFor[Readiness](),
}

// TestGenerated keeps the JSON Schemas and openapi.json equal to the types and the
// operation table. Run with -update to rewrite them.
func TestGenerated(t *testing.T) {
	g := newGenerator(t)
	want := map[string][]byte{"openapi.json": encode(t, openAPI(t))}
	public, internal := messages()
	for dir, types := range map[string][]reflect.Type{"v1": public, "internal": internal} {
		for _, typ := range types {
			name := SchemaName(typ)
			want[dir+"/"+name+".json"] = encode(t, g.document(typ, name))
		}
	}
	want["../docs/permissions.md"] = permissionsPage()
	found := func() (paths []string) {
		for _, dir := range []string{"v1", "internal"} {
			in, err := filepath.Glob(dir + "/*.json")
			require.NoError(t, err)
			paths = append(paths, in...)
		}
		return paths
	}
	if *update {
		for _, path := range found() {
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
	require.Len(t, found(), len(want)-2, "files that nothing generates; run: go test ./schemas -update")
}

// messages is every type with a schema file of its own. A type that an internal
// operation shares with a public one is public.
func messages() (public, internal []reflect.Type) {
	public = slices.Clone(extraTypes)
	internal = []reflect.Type{reflect.TypeFor[Stored]()}
	for _, op := range Operations {
		if op.Internal {
			internal = append(internal, op.Request, op.Reply)
		} else {
			public = append(public, op.Request, op.Reply)
		}
	}
	internal = slices.DeleteFunc(internal, func(typ reflect.Type) bool { return slices.Contains(public, typ) })
	return public, internal
}

func encode(t testing.TB, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	return b.Bytes()
}
