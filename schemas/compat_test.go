package schemas

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var release = flag.Bool("release", false, "keep the contract of now as the released one")

// TestNothingBreaksUsers compares the contract with the last release. -v lists
// the additions. Rewrite testdata/released with -release for a release, or for
// an intended breaking change: then the version and CHANGELOG must announce it.
func TestNothingBreaksUsers(t *testing.T) {
	if *release {
		keep(t)
	}
	sides := map[string]side{}
	for _, op := range Operations {
		sides[op.RequestSchema()] = request
	}
	paths, err := filepath.Glob("testdata/released/v1/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if _, err := os.Stat("v1/" + name + ".json"); err != nil {
			t.Errorf("%s: the schema is gone; users validate by it", name)
			continue
		}
		of, known := sides[name]
		if !known {
			of = reply
		}
		logChanges(t, name, compare(of, read(t, path), read(t, "v1/"+name+".json")))
	}
	logChanges(t, "openapi.json", compareRoutes(read(t, "testdata/released/openapi.json"), read(t, "openapi.json")))
}

func logChanges(t *testing.T, name string, changes []change) {
	t.Helper()
	for _, c := range changes {
		if c.breaks {
			t.Errorf("%s: %s. This breaks users; see TestNothingBreaksUsers", name, c)
		} else {
			t.Logf("%s: %s", name, c)
		}
	}
}

func read(t testing.TB, path string) (doc object) {
	t.Helper()
	require.NoError(t, json.Unmarshal(file(t, path), &doc), path)
	return doc
}

func keep(t *testing.T) {
	require.NoError(t, os.RemoveAll("testdata/released"))
	require.NoError(t, os.MkdirAll("testdata/released/v1", 0o755))
	paths, err := filepath.Glob("v1/*.json")
	require.NoError(t, err)
	for _, path := range append(paths, "openapi.json") {
		require.NoError(t, os.WriteFile("testdata/released/"+path, file(t, path), 0o644))
	}
}

// compareRoutes finds removed routes, names, parameters and statuses, and
// parameters that became required.
func compareRoutes(was, is object) (changes []change) {
	for path, item := range was["paths"].(object) {
		for method, op := range item.(object) {
			at, old := strings.ToUpper(method)+" "+path, op.(object)
			note := func(breaks bool, what string) { changes = append(changes, change{at, what, breaks}) }
			now, _ := is["paths"].(object)[path].(object)
			new, kept := now[method].(object)
			if !kept {
				note(true, "removed")
				continue
			}
			for _, key := range []string{"operationId", "x-nats-subject"} {
				if !reflect.DeepEqual(old[key], new[key]) {
					note(true, key+" changed")
				}
			}
			for status := range old["responses"].(object) {
				if _, still := new["responses"].(object)[status]; !still {
					note(status < "300", "no longer answers "+status)
				}
			}
			before, after := params(old), params(new)
			for name := range before {
				if after[name] == nil {
					note(true, "parameter "+name+" removed")
				}
			}
			for name, param := range after {
				if before[name] == nil {
					note(param["required"] == true, "parameter "+name+" added")
				}
			}
		}
	}
	return changes
}

func params(op object) map[string]object {
	out := map[string]object{}
	for _, param := range list(op["parameters"]) {
		o := param.(object)
		name, _ := o["name"].(string)
		if ref, ok := o["$ref"].(string); ok {
			name = ref
		}
		out[name] = o
	}
	return out
}

// What breaks users and what does not, for each side.
func TestCompare(t *testing.T) {
	const none, fine, breaks = "", "fine", "breaks"
	for _, c := range []struct {
		name, was, is      string
		ofRequest, ofReply string
	}{
		{"nothing", `{"type":"string"}`, `{"type":"string","description":"x"}`, none, none},
		{"field removed", `{"properties":{"a":{}}}`, `{"properties":{}}`, breaks, breaks},
		{"field added", `{"properties":{}}`, `{"properties":{"a":{}}}`, fine, fine},
		{"required field added", `{"properties":{}}`, `{"properties":{"a":{}},"required":["a"]}`, breaks, fine},
		{"field now required", `{"properties":{"a":{}}}`, `{"properties":{"a":{}},"required":["a"]}`, breaks, fine},
		{"field no longer required", `{"properties":{"a":{}},"required":["a"]}`, `{"properties":{"a":{}}}`, fine, breaks},
		{"type narrowed", `{"type":["string","null"]}`, `{"type":"string"}`, breaks, fine},
		{"type widened", `{"type":"string"}`, `{"type":["string","null"]}`, fine, breaks},
		{"type changed", `{"type":"string"}`, `{"type":"object"}`, breaks, breaks},
		{"integer to number", `{"type":"integer"}`, `{"type":"number"}`, fine, breaks},
		{"number to integer", `{"type":"number"}`, `{"type":"integer"}`, breaks, fine},
		{"enum value removed", `{"enum":["a","b"]}`, `{"enum":["a"]}`, breaks, breaks},
		{"enum value added", `{"enum":["a"]}`, `{"enum":["a","b"]}`, fine, fine},
		{"enum where there was none", `{}`, `{"enum":["a"]}`, breaks, fine},
		{"enum given up", `{"enum":["a"]}`, `{}`, fine, fine},
		{"minimum raised", `{"minimum":0}`, `{"minimum":1}`, breaks, none},
		{"minimum lowered", `{"minimum":1}`, `{"minimum":0}`, fine, none},
		{"maximum added", `{}`, `{"maximum":5}`, breaks, none},
		{"maximum lowered", `{"maximum":9}`, `{"maximum":5}`, breaks, none},
		{"maximum removed", `{"maximum":5}`, `{}`, fine, none},
		{"length lowered", `{"maxLength":9}`, `{"maxLength":5}`, breaks, none},
		{"pattern added", `{}`, `{"pattern":"x"}`, breaks, fine},
		{"pattern removed", `{"pattern":"x"}`, `{}`, fine, breaks},
		{"pattern changed", `{"pattern":"x"}`, `{"pattern":"y"}`, breaks, breaks},
		{"format added", `{}`, `{"format":"double"}`, fine, fine},
		{"other fields refused", `{"type":"object"}`, `{"type":"object","additionalProperties":false}`, breaks, fine},
		{"in a list", `{"items":{"minimum":0}}`, `{"items":{"minimum":1}}`, breaks, none},
		{"in a map", `{"additionalProperties":{"type":"string"}}`, `{"additionalProperties":{"type":"number"}}`, breaks, breaks},
		{"names of a map", `{}`, `{"propertyNames":{"pattern":"x"}}`, breaks, fine},
		{"below a reference", `{"$ref":"#/$defs/A","$defs":{"A":{"enum":["a","b"]}}}`, `{"$ref":"#/$defs/A","$defs":{"A":{"enum":["a"]}}}`, breaks, breaks},
		{"written out", `{"properties":{"x":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}`, `{"properties":{"x":{"type":"string"}}}`, none, none},
		{"alternative removed", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"string"}]}`, breaks, fine},
		{"alternative added", `{"type":"string"}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`, fine, breaks},
		{"alternative tightened", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"string","pattern":"x"},{"type":"null"}]}`, breaks, none},
	} {
		for of, want := range map[side]string{request: c.ofRequest, reply: c.ofReply} {
			var was, is object
			require.NoError(t, json.Unmarshal([]byte(c.was), &was))
			require.NoError(t, json.Unmarshal([]byte(c.is), &is))
			got := none
			for _, change := range compare(of, was, is) {
				if got = fine; change.breaks {
					got = breaks
					break
				}
			}
			require.Equal(t, want, got, "%s, side %d: %v", c.name, of, compare(of, was, is))
		}
	}
}

func TestCompareRoutes(t *testing.T) {
	was := `{"paths":{"/a":{"get":{"operationId":"a","parameters":[{"name":"p"}],"responses":{"200":{},"404":{}}}}}}`
	for is, want := range map[string]string{
		was:            "",
		`{"paths":{}}`: "GET /a: removed",
		`{"paths":{"/a":{"get":{"operationId":"b","parameters":[{"name":"p"}],"responses":{"200":{},"404":{}}}}}}`:                              "GET /a: operationId changed",
		`{"paths":{"/a":{"get":{"operationId":"a","responses":{"200":{},"404":{}}}}}}`:                                                          "GET /a: parameter p removed",
		`{"paths":{"/a":{"get":{"operationId":"a","parameters":[{"name":"p"},{"name":"q","required":true}],"responses":{"200":{},"404":{}}}}}}`: "GET /a: parameter q added",
		`{"paths":{"/a":{"get":{"operationId":"a","parameters":[{"name":"p"}],"responses":{"202":{},"404":{}}}}}}`:                              "GET /a: no longer answers 200",
		`{"paths":{"/a":{"get":{"operationId":"a","parameters":[{"name":"p"},{"name":"q"}],"responses":{"200":{}}}},"/b":{}}}`:                  "",
	} {
		var old, new object
		require.NoError(t, json.Unmarshal([]byte(was), &old))
		require.NoError(t, json.Unmarshal([]byte(is), &new))
		var broken []string
		for _, c := range compareRoutes(old, new) {
			if c.breaks {
				broken = append(broken, c.String())
			}
		}
		require.Equal(t, want, strings.Join(broken, "; "), is)
	}
}
