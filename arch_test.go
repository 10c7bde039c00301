package hodei_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/hodei-jobs/hodei"

// pkg is a package as `go list` reports it, without test files.
type pkg struct {
	Path    string `json:"ImportPath"`
	Doc     string
	GoFiles []string
	Imports []string // direct
	Deps    []string // and transitive
	Dir     string
}

// name is the directory of the package, "" for the root.
func (p pkg) name() string { return strings.TrimPrefix(strings.TrimPrefix(p.Path, module), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,GoFiles,Imports,Deps,Dir", "./...")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	require.NoError(t, err)
	var list []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, p)
	}
}

// under reports whether name is dir or below it. Nothing counts as below the
// root.
func under(name, dir string) bool {
	return name == dir || dir != "" && strings.HasPrefix(name, dir+"/")
}

// mayImport is the direction of imports: the other parts that each part of the
// tree may import. The first matching prefix counts.
var mayImport = []struct {
	part string
	of   []string
}{
	{"", nil},
	{"internal/logchunk", nil},
	{"internal/disk", []string{""}},
	{"internal/seal", []string{""}},
	{"internal/next", []string{""}},
	{"internal/definition", []string{"", "internal/next"}},
	{"internal/token", nil},
	{"internal/due", []string{""}},
	{"internal/rates", nil},
	{"internal/notify", []string{""}},
	{"internal/archive", nil},
	{"internal/uploads", nil},
	{"internal/junit", []string{""}},
	{"internal/transfer", []string{"", "schemas", "internal/rpc"}},
	{"schemas", []string{""}},
	{"kv", []string{"", "schemas"}},
	{"internal/permit", []string{"", "schemas"}},
	{"internal/batch", []string{""}},
	{"postgres", []string{"", "internal/batch", "internal/logchunk", "internal/next"}},
	{"services/scheduler/plan", []string{""}},
	{"services/orchestrator/run", []string{""}},
	{"services", []string{"", "schemas", "internal/definition", "internal/next", "internal/rpc", "internal/transfer", "internal/batch", "internal/due", "internal/notify", "internal/logchunk", "internal/disk", "internal/seal", "internal/token", "internal/permit", "kv", "postgres"}},
	{"worker", []string{"", "schemas", "internal/rpc", "internal/archive", "internal/junit", "internal/transfer", "internal/uploads", "internal/batch", "internal/logchunk", "internal/disk", "internal/seal", "kv"}},
	{"client", []string{"", "schemas", "internal/rpc", "internal/archive", "internal/transfer", "internal/follow", "internal/token"}},
	{"internal/follow", []string{"", "schemas", "internal/rpc", "internal/logchunk", "kv"}},
	{"internal/health", []string{"schemas", "internal/rpc", "internal/notify"}},
	{"edge", []string{"", "schemas", "internal/definition", "internal/rates", "internal/rpc", "internal/health", "internal/follow", "internal/archive", "internal/transfer", "internal/token", "client"}},
	{"internal/rpc", []string{"", "schemas", "internal/rates"}},
	{"internal/local/localtest", []string{"", "internal/disk", "internal/local", "kv"}},
	{"internal/local", []string{"", "internal/rpc", "internal/disk"}},
	{"internal/system", []string{"", "schemas", "internal/rpc", "internal/health", "internal/permit", "services", "worker", "edge", "kv", "postgres", "client"}},
	// It fills in the Config of each role; internal/system does the rest.
	{"cmd/hodei", []string{"", "schemas", "internal/rpc", "internal/system", "internal/local", "internal/disk", "internal/seal", "internal/token", "internal/cli", "internal/notify", "internal/permit",
		"services", "worker", "edge", "postgres"}},
	{"internal/cli/render", nil},
	// The variables of a command that must survive.
	{"internal/cli/cmdline", []string{"", "worker/mark"}},
	{"internal/cli", []string{"", "schemas", "internal/definition", "internal/archive", "internal/uploads", "internal/rpc", "internal/token", "client", "kv/check"}},
	{"test", []string{"", "schemas", "internal/rpc", "kv", "postgres", "internal/system", "internal/local", "internal/token", "client"}},
	{"examples", []string{"", "schemas", "client"}},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		at := slices.IndexFunc(mayImport, func(m struct {
			part string
			of   []string
		}) bool {
			return under(p.name(), m.part)
		})
		require.GreaterOrEqual(t, at, 0, "%s has no place in the tree of DESIGN: give it one here, and an ADR", p.Path)
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, module)
			name = strings.TrimPrefix(name, "/")
			if !ours || under(name, mayImport[at].part) {
				continue
			}
			ok := slices.ContainsFunc(mayImport[at].of, func(part string) bool { return under(name, part) })
			assert.True(t, ok, "%s imports %q: that turns the direction of imports round", p.Path, name)
		}
	}
}

// reaches lists what a part must not depend on, directly or indirectly.
var reaches = []struct {
	parts, never []string
	why          string
}{
	{[]string{"edge", "client", "worker"}, []string{module + "/postgres", module + "/services"},
		"they may run anywhere with one connection to NATS; the record is reached through the operations"},
	{[]string{"client", "worker"}, []string{"github.com/jackc/pgx", "github.com/go-chi/chi", "github.com/nats-io/nats-server"},
		"people link them into their own programs, which must stay small"},
	{[]string{"postgres"}, []string{"github.com/nats-io"},
		"Postgres remembers and NATS moves; the record must not know how"},
	{[]string{"kv"}, []string{"github.com/jackc/pgx"}, "what JetStream holds can be lost; it must not mix with the record"},
}

// only lists the packages that alone may import something directly.
var only = []struct {
	path, why string
	parts     []string
}{
	{"github.com/nats-io/nats.go/micro", "its edges (serial handlers, racy errors, a stop that does not wait) are known in one place",
		[]string{"internal/rpc"}},
	{"github.com/nats-io/nats-server/v2/server", "all other packages reach NATS by URL, as in production",
		[]string{"internal/local"}},
	{"github.com/jackc/pgx/v5", "only postgres holds SQL", []string{"postgres", "internal/local/localtest"}},
	{"github.com/minio/minio-go/v7", "only the store of content knows S3", []string{"services/artifacts/blob"}},
	{"github.com/go-chi/chi/v5", "only the edge speaks HTTP to people", []string{"edge"}},
}

func TestForbiddenDependencies(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range reaches {
			if !slices.ContainsFunc(rule.parts, func(part string) bool { return under(p.name(), part) }) {
				continue
			}
			at := slices.IndexFunc(p.Deps, func(dep string) bool {
				return slices.ContainsFunc(rule.never, func(n string) bool { return under(dep, n) })
			})
			if at >= 0 {
				t.Errorf("%s reaches %s: %s", p.Path, p.Deps[at], rule.why)
			}
		}
		for _, rule := range only {
			if slices.ContainsFunc(rule.parts, func(part string) bool { return under(p.name(), part) }) {
				continue
			}
			for _, path := range p.Imports {
				assert.False(t, under(path, rule.path), "%s imports %s: %s", p.Path, path, rule.why)
			}
		}
	}
}

func TestServicesMeetOnSubjectsOnly(t *testing.T) {
	service := func(path string) string {
		rest, ok := strings.CutPrefix(path, module+"/services/")
		name, _, _ := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		return name
	}
	for _, p := range packages(t) {
		for _, dep := range p.Deps {
			if mine, other := service(p.Path), service(dep); mine != "" && other != "" {
				assert.Equal(t, mine, other, "%s reaches %s: services meet on subjects, in the all-in-one too", p.Path, dep)
			}
		}
	}
}

func TestPurePackagesImportTheStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.name()) {
			continue
		}
		for _, path := range p.Imports {
			root, _, _ := strings.Cut(path, "/")
			assert.True(t, path == module || !strings.Contains(root, "."),
				"%s imports %s: it decides, from what it is handed, and must stay testable as a function", p.Path, path)
		}
	}
}

func TestEveryPackageDocumentsWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		assert.Contains(t, p.GoFiles, "doc.go", "%s has no doc.go", p.Path)
		assert.NotEmpty(t, p.Doc, "%s has no package comment", p.Path)
	}
}

// The root listing is the architecture. internal/ contains wiring only.
func TestTheTreeIsTheDesign(t *testing.T) {
	for dir, names := range map[string][]string{
		".": {"schemas", "kv", "postgres", "services", "worker", "edge", "client", "cmd", "internal",
			"test", "bench", "docs", "examples"},
		"internal": {"rpc", "system", "local", "cli", "follow"},
		"services": {"access", "orchestrator", "scheduler", "workermanager"},
	} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains(names, e.Name()) || explained(t, path) {
				continue
			}
			t.Errorf("%s/ is not in the design: it needs an ADR in docs/adr that names it `%s/`", path, path)
		}
	}
}

// explained reports whether an ADR names the directory, or the build creates it
// and git ignores it.
func explained(t *testing.T, path string) bool {
	t.Helper()
	ignored, err := os.ReadFile(".gitignore")
	require.NoError(t, err)
	if slices.Contains(strings.Split(string(ignored), "\n"), "/"+path+"/") {
		return true
	}
	records, err := filepath.Glob("docs/adr/*.md")
	require.NoError(t, err)
	return slices.ContainsFunc(records, func(record string) bool {
		text, err := os.ReadFile(record)
		require.NoError(t, err)
		return bytes.Contains(text, []byte("`"+path+"/`"))
	})
}
