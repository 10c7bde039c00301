package hodei_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

// pure are the packages that have no clock, no chance and no I/O.
var pure = []string{"", "worker/joblog/mask", "services/scheduler/plan", "services/orchestrator/run", "internal/next", "internal/junit"}

// source is one Go file of the module, with its tests left out.
type source struct {
	dir  string // "" for the root
	path string
	*ast.File
}

func sources(t *testing.T) (list []source, at *token.FileSet) {
	t.Helper()
	at = token.NewFileSet()
	for _, path := range goFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(at, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		list = append(list, source{strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "."), path, file})
	}
	require.NotEmpty(t, list)
	return list, at
}

func goFiles(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

func TestPurePackagesHaveNoClockNoChanceNoIO(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	never := regexp.MustCompile(`^(os|net|io/ioutil|syscall|math/rand|crypto/rand)(/|$)`)
	list, at := sources(t)
	for _, file := range list {
		if !slices.Contains(pure, file.dir) {
			continue
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			assert.False(t, never.MatchString(path), "%s imports %s: what it decides must follow from its arguments alone", file.path, path)
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				x, ok := sel.X.(*ast.Ident)
				assert.False(t, ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name),
					"%s calls time.%s: time is handed in", at.Position(sel.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

// literals calls fn with each string literal outside of the given parts.
func literals(t *testing.T, except []string, fn func(at token.Position, text string)) {
	t.Helper()
	list, at := sources(t)
	for _, file := range list {
		if slices.ContainsFunc(except, func(part string) bool { return under(file.dir, part) }) {
			continue
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				fn(at.Position(lit.Pos()), text)
			}
			return true
		})
	}
}

func TestOnlySchemasNamesSubjectsStreamsAndBuckets(t *testing.T) {
	names := []string{schemas.LogStream, schemas.EventStream, schemas.WorkersBucket}
	literals(t, []string{"schemas"}, func(at token.Position, text string) {
		assert.False(t, strings.HasPrefix(text, schemas.Root) || strings.HasPrefix(text, "execution."),
			"%s: %q is a subject: schemas builds it, so that the contract is in one place", at, text)
		assert.NotContains(t, names, text, "%s: schemas has the name of this stream or bucket", at)
	})
}

func TestOnlyPostgresHoldsSQL(t *testing.T) {
	statement := regexp.MustCompile(`^\s*(SELECT\s.*\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|WITH\s+\w+\s+AS|(CREATE|ALTER|DROP)\s+(TABLE|INDEX))\s`)
	// The bench asks Postgres for its settings and makes records by the million.
	literals(t, []string{"postgres", "internal/local/localtest", "bench"}, func(at token.Position, text string) {
		assert.False(t, statement.MatchString(text), "%s: SQL belongs beside the record, in postgres: %s", at, text)
	})
}

func TestFilesCanBeReadInOneGo(t *testing.T) {
	const most = 500
	for _, path := range goFiles(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes.Count(text, []byte("\n")), most, "%s has too many lines: split it by its subject", path)
	}
}

// The ceilings of words of the private dialect, in 10,000 words of comments, of
// messages (string literals that are sentences), as a number of test names, and of
// identifiers and turns of phrase outside of tests. Lower them as text is rewritten;
// they never rise. docs/style.md has the rules.
const (
	mostInComments  = 6
	mostInMessages  = 4
	mostInTestNames = 2
	mostIdentifiers = 0
	mostPhrases     = 0
)

var (
	dialect  = regexp.MustCompile(`(?i)\b(nobody|somebody|anybody|everybody|whoever|say|says|said|saying|tell|tells|told|telling|hear|hears|heard|hearing|lest)\b`)
	phrases  = regexp.MustCompile(`(?i)\b(looked at|takes in|all the same|come to nothing|came to nothing)\b`)
	aWord    = regexp.MustCompile(`[A-Za-z][A-Za-z'’-]*`)
	camel    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	sentence = regexp.MustCompile(`^[^\n<>{}]*[a-z]+ [a-z]+ [a-z]+[^\n<>{}]*$`)
)

// counter counts words, and those of them that docs/style.md asks to avoid.
type counter struct{ words, found int }

func (c *counter) add(text string) {
	c.words += len(aWord.FindAllString(text, -1))
	c.found += len(dialect.FindAllString(text, -1))
}

// addName counts the words of an identifier.
func (c *counter) addName(name string) { c.add(camel.ReplaceAllString(name, "$1 $2")) }

func (c *counter) rate() float64 { return 10_000 * float64(c.found) / float64(max(c.words, 1)) }

// TestCommentsArePlainEnglish counts words that make parts of a program speak
// and hear, or that hide the subject, in all files, tests included.
func TestCommentsArePlainEnglish(t *testing.T) {
	var comments, messages, names, identifiers counter
	turns := 0
	at := token.NewFileSet()
	for _, path := range goFiles(t) {
		file, err := parser.ParseFile(at, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		isTest := strings.HasSuffix(path, "_test.go")
		for _, group := range file.Comments {
			comments.add(group.Text())
			if text := strings.Join(strings.Fields(group.Text()), " "); !isTest && phrases.MatchString(text) {
				turns++
				t.Logf("%s: %q", at.Position(group.Pos()), phrases.FindString(text))
			}
		}
		if path == "source_test.go" {
			continue // it names the words
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if strings.HasPrefix(n.Name.Name, "Test") {
					names.addName(n.Name.Name)
				}
			case *ast.Ident:
				if !isTest {
					identifiers.addName(n.Name)
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && sentence.MatchString(text) {
					messages.add(text)
				}
			}
			return true
		})
	}
	for _, c := range []struct {
		of         string
		have, most float64
	}{
		{"in 10,000 words of comments", comments.rate(), mostInComments},
		{"in 10,000 words of messages", messages.rate(), mostInMessages},
		{"in the names of tests", float64(names.found), mostInTestNames},
		{"in identifiers", float64(identifiers.found), mostIdentifiers},
		{"in turns of phrase, which the log lists", float64(turns), mostPhrases},
	} {
		t.Logf("%.1f %s", c.have, c.of)
		assert.LessOrEqual(t, c.have, c.most, "too many words such as nobody, says, told and heard %s: "+
			"name the part that acts and use the field's terms (docs/style.md)", c.of)
	}
}
