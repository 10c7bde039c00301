package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

// odd are values that have broken programs before.
var odd = []string{
	`null`, `true`, `0`, `-1`, `1e308`, `1e999`, `9223372036854775808`, `0.1`, `""`, `" "`, `"\u0000"`, `"\ud800"`, `"💥"`, `"../../etc/passwd"`,
	`"%"`, `"'; DROP TABLE jobs; --"`, `"pipe_"`, `"exec_00000000-0000-7000-8000-000000000000"`, `"00000000-0000-0000-0000-000000000000"`,
	`[]`, `[[]]`, `[""]`, `["a",1]`, `[null]`, `{}`, `{"":""}`, `{"a":{"b":{"c":[]}}}`, `{"A":"\u0000"}`, `"2026-01-01T00:00:00Z"`, `"10m"`, `"-1h"`, `"all"`,
	strings.Repeat("[", 3000) + strings.Repeat("]", 3000), `"` + strings.Repeat("x", 70000) + `"`, `{`, `]`, ``, `nul`, `"\x"`,
}

// TestNoInputBreaksIt sends requests with odd values to every route: no answer
// is a 500, and every error has a body with the reason.
func TestNoInputBreaksIt(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	seed := uint64(1) // HODEI_FUZZ_SEED chooses another
	if text := os.Getenv("HODEI_FUZZ_SEED"); text != "" {
		_, err := fmt.Sscan(text, &seed)
		require.NoError(t, err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func() string { return odd[r.IntN(len(odd))] }
	for n := range 1500 {
		op := schemas.Operations[r.IntN(len(schemas.Operations))]
		if op.Method == "" {
			continue
		}
		path, body := op.Path, oddBody(r, op, pick)
		for _, f := range op.Fields() {
			if f.In == "path" {
				path = strings.ReplaceAll(path, "{"+f.Name+"}", url.PathEscape(strings.Trim(pick(), `"`)))
			}
		}
		query := url.Values{}
		for _, f := range op.Fields() {
			if f.In == "query" && r.IntN(3) == 0 {
				query.Set(f.Name, strings.Trim(pick(), `"`))
			}
		}
		if query.Has("wait_seconds") || strings.Contains(body, "wait_seconds") {
			continue // it requests waiting
		}
		target := s.orchestrator + path + "?" + query.Encode()
		status, answer := send(t, op.Method, target, body)
		require.NotContains(t, []int{500, 502, 504}, status, "%d: %s %s\n%.500s\n%s", n, op.Method, target, body, answer)
		if status == http.StatusRequestHeaderFieldsTooLarge {
			continue // net/http answers that itself, before a request is read
		}
		if status >= 400 && answer != "" {
			var reply object
			require.NoError(t, json.Unmarshal([]byte(answer), &reply), "%s %s: %s", op.Method, target, answer)
			require.NotEmpty(t, reply["error"])
			for _, inside := range []string{"SQLSTATE", "goroutine", "panic", "pgx", ".go:"} {
				require.NotContains(t, answer, inside)
			}
		}
	}
}

// oddBody returns an object with the request's fields and odd values, or no
// object at all.
func oddBody(r *rand.Rand, op *schemas.Op, pick func() string) string {
	if op.Method == "GET" || op.Method == "DELETE" {
		return ""
	}
	if r.IntN(8) == 0 {
		return pick()
	}
	schema, err := schemas.JSONSchema(op.RequestSchema())
	if err != nil {
		return "{}"
	}
	var doc struct{ Properties map[string]any }
	if json.Unmarshal(schema, &doc) != nil {
		return "{}"
	}
	var fields []string
	for name := range doc.Properties {
		if r.IntN(2) == 0 && name != "id" {
			fields = append(fields, fmt.Sprintf("%q:%s", name, pick()))
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func send(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err, "%s %s", method, target)
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return resp.StatusCode, "" // a stream may never end
	}
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}
