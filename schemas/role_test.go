package schemas

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestEveryOperationHasARole walks the table: what people may call needs a role of
// people, and what Hodei's own programs call one that no token can have.
func TestEveryOperationHasARole(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			ID        string `json:"operationId"`
			Security  []map[string][]string
			Responses map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(OpenAPI, &doc))
	page := string(permissionsPage())
	for _, op := range Operations {
		switch {
		case op.ByWorker:
			require.Equal(t, hodei.RoleWorker, op.Role, op.Name)
		case op.Internal:
			require.Equal(t, hodei.RoleService, op.Role, op.Name)
		default:
			require.Contains(t, hodei.Roles, op.Role, op.Name)
		}
		require.Contains(t, page, "| `"+op.Name+"` | "+string(op.Role)+" |")
		if op.Method == "" {
			continue
		}
		entry := doc.Paths["/api/v1"+strings.Replace(op.Path, "/{slug}", "/{id}", 1)][strings.ToLower(op.Method)]
		require.NotEmpty(t, entry.ID, op.Name)
		for _, scheme := range []string{"token", "session"} {
			require.True(t, slices.ContainsFunc(entry.Security, func(s map[string][]string) bool {
				return slices.Equal(s[scheme], []string{string(op.Role)})
			}), "%s: security by %s with the role %s", op.Name, scheme, op.Role)
		}
		require.Contains(t, entry.Responses, "401", op.Name)
		require.Contains(t, entry.Responses, "403", op.Name)
	}
}

// TestReadingNeedsNoMoreThanTheLowestRole keeps the rule of the roles: viewer reads.
func TestReadingNeedsNoMoreThanTheLowestRole(t *testing.T) {
	onlyAdmin := []string{"tokens.list", "audit.list", "secrets.list"}
	for _, op := range Operations {
		if op.Method == "GET" {
			require.Equal(t, slices.Contains(onlyAdmin, op.Name), op.Role != hodei.Viewer, op.Name)
		}
	}
}

func summaryOf(op *Op) string {
	if op.DryRun {
		return op.Summary + ". With dry_run it needs the role viewer"
	}
	return op.Summary
}

// limitText is the limit of an operation in the page.
func limitText(op *Op) string {
	switch op.Limit {
	case LimitRefused:
		return ""
	case LimitOwn:
		return "own"
	case LimitNone:
		return "all"
	}
	return "`" + strings.ReplaceAll(string(op.Limit), ",", "`, `") + "`"
}

// permissionsPage is docs/permissions.md.
func permissionsPage() []byte {
	var b strings.Builder
	b.WriteString("<!-- Written by `go test ./schemas -update` from the operation table. -->\n\n# Who may do what\n\n" +
		"Each operation names the role that it needs, once, in the table of operations. Each of viewer, developer, operator and admin\n" +
		"includes those before it. `service` and `worker` are Hodei's own programs: no token has these roles.\n\n" +
		"The column *limited* is for a token that is limited to pipelines: the fields of the request whose records must belong to one of\n" +
		"them, else they are NOT_FOUND; *own* where the reply has only what belongs to them; *all* where nothing belongs to a pipeline;\n" +
		"empty where the operation is FORBIDDEN.\n")
	for _, role := range append(slices.Clone(hodei.Roles), hodei.RoleService, hodei.RoleWorker) {
		fmt.Fprintf(&b, "\n## %s\n\n| operation | role | limited | HTTP | NATS subject | what it does |\n|---|---|---|---|---|---|\n", role)
		for _, op := range Operations {
			if op.Role != role {
				continue
			}
			route, subject := "", ""
			if op.Method != "" {
				route = op.Method + " `" + op.Path + "`"
			}
			if op.Subject != "" {
				subject = op.Filter()
				if op.PerWorker {
					subject += ".*"
				}
				subject = "`" + subject + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", op.Name, op.Role, limitText(op), route, subject, summaryOf(op))
		}
	}
	return []byte(b.String())
}
