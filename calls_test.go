package hodei_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

// back are the calls that close a cycle of services, each with the reason why it blocks
// nothing. A cycle can deadlock: each service may have all its requests in flight wait
// for the other.
var back = map[[2]string]string{
	{schemas.WorkerManager, schemas.Scheduler}: "`workers.assign` without a `worker_id`, a request of users, has the scheduler choose as in a dry run. The scheduler always names the worker, so no call of its own leads back to it.",
	{schemas.Worker, schemas.WorkerManager}:    "A worker registers, reports ends and leaves. The worker manager answers these from the record and asks no worker meanwhile.",
}

// call is one operation that a program asks of a service.
type call struct{ from, op, to string }

// callers are the programs by directory; another directory that asks is its own caller.
var callers = map[string]string{
	"services/orchestrator": schemas.Orchestrator, "services/scheduler": schemas.Scheduler,
	"services/workermanager": schemas.WorkerManager, "services/access": schemas.Access, "worker": schemas.Worker, "edge": schemas.Edge, "client": "client",
}

// TestCalls keeps docs/calls.md equal to the calls in the source, and their graph free of
// cycles but for those in back.
func TestCalls(t *testing.T) {
	found := calls(t)
	requirePermitted(t, found)
	edges := map[[2]string]bool{}
	for _, c := range found {
		edges[[2]string{c.from, c.to}] = true
	}
	for edge, why := range back {
		require.True(t, edges[edge] && leads(edges, edge[1], edge[0], nil), "%v closes no cycle any more: remove it from back, where it has the reason: %s", edge, why)
	}
	for edge := range back {
		delete(edges, edge)
	}
	for edge := range edges {
		assert.False(t, leads(edges, edge[1], edge[0], nil), "%s calls %s, which calls back: the two can wait for each other with all their requests. "+
			"Have one of them announce by a message or read the record; if the cycle cannot block, give the reason in back", edge[0], edge[1])
	}
	want := page(found)
	if *update {
		require.NoError(t, os.WriteFile("docs/calls.md", []byte(want), 0o644))
	}
	got, err := os.ReadFile("docs/calls.md")
	require.NoError(t, err)
	require.Equal(t, want, string(got), "docs/calls.md lists every call between services, because each one couples two services and adds a round trip. "+
		"If a new one is needed: go test . -run TestCalls -update, and give the reason in the commit")
}

// requirePermitted compares the calls with AskedBy, from which NATS permissions follow.
func requirePermitted(t *testing.T, found []call) {
	for _, op := range schemas.Operations {
		for _, c := range found {
			if c.op != op.Name || c.from == "client" {
				continue
			}
			from := c.from
			if from == "internal/follow" {
				from = schemas.Edge // and the client, which acts for a person
			}
			assert.True(t, op.Asks(from), "%s asks for %s: name it in AskedBy of the operation, else NATS refuses the request", from, op.Name)
		}
	}
}

// leads reports whether calls lead from one service to another.
func leads(edges map[[2]string]bool, from, to string, seen []string) bool {
	if from == to {
		return true
	}
	if slices.Contains(seen, from) {
		return false
	}
	for edge := range edges {
		if edge[0] == from && leads(edges, edge[1], to, append(seen, from)) {
			return true
		}
	}
	return false
}

// calls are those in the source, outside of tests.
func calls(t *testing.T) (found []call) {
	ops := operations(t)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (path == "internal/rpc" || path == "bench" || path == "test" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return cmp.Or(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			expr, ok := n.(*ast.CallExpr)
			if !ok || !slices.Contains([]string{"Call", "CallWorker", "Forward"}, selected(expr.Fun, "rpc")) {
				return true
			}
			name := selected(expr.Args[2], "schemas")
			c := call{from: caller(path), op: "*", to: "*"} // an operation of the caller's choice
			if name != "" {
				op := ops[name]
				require.NotNil(t, op, "%s: schemas.%s is no operation", path, name)
				c.op, c.to = op.Name, op.Service
			}
			if !slices.Contains(found, c) {
				found = append(found, c)
			}
			return true
		})
		return nil
	}))
	slices.SortFunc(found, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.op, b.op))
	})
	return found
}

// selected is the name of what an expression selects from a package, "" for another one.
func selected(expr ast.Expr, from string) string {
	if s, ok := expr.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == from {
			return s.Sel.Name
		}
	}
	return ""
}

func caller(path string) string {
	dir := filepath.Dir(path)
	for part, name := range callers {
		if under(dir, part) {
			return name
		}
	}
	return dir
}

// operations are the operations by the names of their variables.
func operations(t *testing.T) map[string]*schemas.Op {
	byVariable := map[string]*schemas.Op{}
	paths, err := filepath.Glob("schemas/*.go")
	require.NoError(t, err)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			ast.Inspect(spec.Values[0], func(n ast.Node) bool {
				if pair, ok := n.(*ast.KeyValueExpr); ok {
					if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Name" {
						if lit, ok := pair.Value.(*ast.BasicLit); ok {
							name, _ := strconv.Unquote(lit.Value) // the compiler has read it
							at := slices.IndexFunc(schemas.Operations, func(op *schemas.Op) bool { return op.Name == name })
							if at >= 0 {
								byVariable[spec.Names[0].Name] = schemas.Operations[at]
							}
						}
					}
				}
				return true
			})
			return true
		})
	}
	return byVariable
}

// page is docs/calls.md.
func page(found []call) string {
	var b strings.Builder
	b.WriteString("<!-- Written by `go test . -run TestCalls -update` from the source. -->\n\n# Calls between services\n\n" +
		"Which operations each program asks of which service. A test fails when a call is added that is not listed here. `*`: the edge and\n" +
		"the client pass on any operation that a user asks for; they ask every service for its health.\n\n| program | asks | for |\n|---|---|---|\n")
	for i := 0; i < len(found); {
		var names []string
		from, to := found[i].from, found[i].to
		for ; i < len(found) && found[i].from == from && found[i].to == to; i++ {
			names = append(names, "`"+found[i].op+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", from, to, strings.Join(names, ", "))
	}
	b.WriteString("\n## Cycles\n\nA cycle of services can block: each may wait for the other with all its requests. These do not:\n\n")
	for _, edge := range slices.SortedFunc(maps.Keys(back), func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) }) {
		fmt.Fprintf(&b, "- **%s → %s.** %s\n", edge[0], edge[1], back[edge])
	}
	return b.String()
}
