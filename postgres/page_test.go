package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// A page is read in several statements and must not lose rows between them.
func TestPageLongerThanABatch(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	const count = 253
	for n := range count {
		_, err := db.CreatePipeline(t.Context(), hodei.Pipeline{Name: fmt.Sprint(n)})
		require.NoError(t, err)
	}
	for _, size := range []int{1, 99, 100, 101, 200, 252, 253, 254, 1000} {
		var names []string
		for page := (postgres.Page{Size: size}); ; {
			items, next, err := db.ListPipelines(t.Context(), postgres.Between{}, 0, page)
			require.NoError(t, err)
			require.LessOrEqual(t, len(items), size)
			for _, p := range items {
				names = append(names, p.Name)
			}
			if next == nil {
				break
			}
			require.Len(t, items, size)
			page.Cursor = *next
		}
		require.Len(t, names, count, "pages of %d", size)
		for i, name := range names {
			require.Equal(t, fmt.Sprint(count-1-i), name, "pages of %d", size)
		}
	}
}

// Commands of 128 KiB exceed one page. A command longer than a page,
// created before there was a limit, is a page of its own.
func TestPageIsCutByBytes(t *testing.T) {
	t.Parallel()
	const count = 12
	db, _ := open(t)
	for n := range count {
		s := spec(strings.Repeat("\u2028", hodei.MaxCommand/3)) // twice as long in JSON
		s.Environment = map[string]string{"SECRET": "s3cret"}
		if n == count/2 {
			s.Command.Shell = strings.Repeat("x", postgres.PageBytes)
		}
		_, err := db.CreateExecution(t.Context(), hodei.Execution{Spec: s})
		require.NoError(t, err)
	}
	seen, pages := 0, 0
	for page := (postgres.Page{Size: 1000}); ; pages++ {
		items, next, err := db.ListExecutions(t.Context(), postgres.ExecutionFilter{}, page)
		require.NoError(t, err)
		require.NotEmpty(t, items)
		body, err := hodei.JSON(items)
		require.NoError(t, err)
		require.True(t, len(body) <= postgres.PageBytes+2 || len(items) == 1, "%d executions take %d bytes", len(items), len(body))
		require.NotContains(t, string(body), `"environment"`)
		if seen += len(items); next == nil {
			break
		}
		page.Cursor = *next
	}
	require.Equal(t, count, seen)
	require.Greater(t, pages, 3)
}
