package hodei_test

import (
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// public are the packages whose exported names are kept by SemVer (README, docs/sdk.md).
var public = []string{"", "schemas", "client", "worker"}

// open are the other packages that Go lets anyone import, each with the reason why it is not
// below internal/: the root listing shows the architecture. Their exported names may change
// in any release.
var open = map[string]string{
	"edge":                       "the HTTP side of the service, a part of the architecture",
	"edge/console":               "the web console, served by edge",
	"kv":                         "what Hodei keeps in JetStream, a part of the architecture",
	"kv/check":                   "checks of what kv sets up",
	"postgres":                   "the record, a part of the architecture",
	"services/access":            "a service, a part of the architecture",
	"services/artifacts":         "a service, a part of the architecture",
	"services/artifacts/blob":    "where content is stored, a part of the service",
	"services/orchestrator":      "a service, a part of the architecture",
	"services/orchestrator/hook": "events of other systems, the pure part of hooks",
	"services/orchestrator/run":  "the pure part of the orchestrator",
	"services/scheduler":         "a service, a part of the architecture",
	"services/scheduler/plan":    "the pure part of the scheduler",
	"services/workermanager":     "a service, a part of the architecture",
	"worker/exec":                "how a command runs, a part of the worker",
	"worker/exec/process":        "commands as processes of the machine, a part of the worker",
	"worker/joblog":              "the log of an execution, a part of the worker",
	"worker/joblog/mask":         "how secrets are found in output, the pure part of the log",
	"worker/mark":                "how the processes of an execution are found, a part of the worker",
	"worker/reaper":              "the supervisor of a worker's processes, a part of the worker",
	"test":                       "tests of the whole system; it exports nothing",
}

func TestEveryPackageIsPublicOrHasAReason(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		name := p.name()
		if strings.HasPrefix(name, "cmd/") || strings.Contains("/"+name+"/", "/internal/") || strings.HasPrefix(name, "examples") {
			continue
		}
		found[name] = true
		_, reason := open[name]
		assert.True(t, slices.Contains(public, name) || reason, "%s can be imported by anyone: put it below internal/, or give the reason in `open`", name)
	}
	for _, name := range slices.Concat(public, slices.Collect(maps.Keys(open))) {
		assert.True(t, found[name], "%q is listed as a package, and is none", name)
	}
}

// unnamed are the types in the public surface that users cannot name, each with its reason.
var unnamed = map[string]string{
	"client.overHTTP": "the receiver of an HTTPOption, which only this package makes",
}

// TestUsersCanNameWhatTheyGet walks the types of every exported name of the public packages: each
// must be declared in a public package, or in another module.
func TestUsersCanNameWhatTheyGet(t *testing.T) {
	load, met := loader(t), map[string]bool{}
	for _, name := range public {
		path := strings.TrimSuffix(module+"/"+name, "/")
		pkg, err := load.Import(path)
		require.NoError(t, err)
		for _, exported := range pkg.Scope().Names() {
			obj := pkg.Scope().Lookup(exported)
			if !obj.Exported() {
				continue
			}
			w := walk{at: path + "." + exported, seen: map[types.Type]bool{}, found: map[string]string{}}
			w.object(obj)
			for what, at := range w.found {
				met[what] = true
				assert.Contains(t, unnamed, what, "%s is in the surface at %s, and users cannot name it", what, at)
			}
		}
	}
	for what := range unnamed {
		assert.True(t, met[what], "%s is no longer in the surface: remove it from `unnamed`", what)
	}
}

// loader imports packages of this module from the export data of the build cache.
func loader(t *testing.T) types.Importer {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".", "./schemas", "./client", "./worker")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	require.NoError(t, err)
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(files[path])
	})
}

// walk visits the types that a user of an exported name meets.
type walk struct {
	at    string
	seen  map[types.Type]bool
	found map[string]string // types that cannot be named, and where
}

func (w walk) object(obj types.Object) {
	if name, ok := obj.(*types.TypeName); ok && !name.IsAlias() {
		if named, ok := name.Type().(*types.Named); ok {
			w.declared(named)
			return
		}
	}
	w.visit(obj.Type())
}

// declared visits the exported fields and methods of a type.
func (w walk) declared(named *types.Named) {
	if w.seen[named.Origin()] {
		return
	}
	w.seen[named.Origin()] = true
	w.visit(named.Origin().Underlying())
	for m := range named.Origin().Methods() {
		if m.Exported() {
			w.in(m.Name()).visit(m.Type())
		}
	}
}

func (w walk) in(member string) walk {
	w.at += "." + member
	return w
}

func (w walk) visit(t types.Type) {
	switch t := t.(type) {
	case *types.Named:
		w.named(t)
	case *types.Alias:
		w.visit(types.Unalias(t))
	case *types.Pointer:
		w.visit(t.Elem())
	case *types.Slice:
		w.visit(t.Elem())
	case *types.Array:
		w.visit(t.Elem())
	case *types.Chan:
		w.visit(t.Elem())
	case *types.Map:
		w.visit(t.Key())
		w.visit(t.Elem())
	case *types.Signature:
		w.visit(t.Params())
		w.visit(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.visit(v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				w.in(f.Name()).visit(f.Type())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if m.Exported() {
				w.in(m.Name()).visit(m.Type())
			}
		}
	}
}

func (w walk) named(t *types.Named) {
	for arg := range t.TypeArgs().Types() {
		if named, ok := arg.(*types.Named); !ok || named.Obj().Exported() { // hodei.ID[jobKind] has the name hodei.JobID
			w.visit(arg)
		}
	}
	name := t.Obj()
	if name.Pkg() == nil {
		return // error
	}
	rest, ours := strings.CutPrefix(name.Pkg().Path(), module)
	if !ours {
		return
	}
	if part := strings.TrimPrefix(rest, "/"); !slices.Contains(public, part) || !name.Exported() {
		w.found[strings.TrimPrefix(part+"."+name.Name(), ".")] = w.at
		return
	}
	w.declared(t)
}
