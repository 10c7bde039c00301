package system_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/schemas"
)

const shop = `
slug: shop
jobs:
  build:
    artifacts: [ { name: app, paths: [out/, "!out/*.tmp"] } ]
    command: |
      mkdir -p out/empty "out/a b" out/.hidden
      printf '#!/bin/sh\necho built\n' > out/app && chmod +x out/app
      echo one > "out/a b/ñ" && echo x > out/.hidden/f && echo no > out/no.tmp
  test:
    needs: [build]
    command: |
      test "$(out/app)" = built
      test "$(cat 'out/a b/ñ')" = one
      test -f out/.hidden/f && test -d out/empty && test ! -e out/no.tmp
  apart:
    needs: [ { job: build, artifacts: false } ]
    command: test ! -e out
`

// TestFilesTravel: a job receives what the jobs that it needs have left.
func TestFilesTravel(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 2)
	r.apply("shop", shop)
	run := r.ended(hodei.RefTo(r.execute("shop").ID))
	require.Equal(t, hodei.RunCompleted, run.Status, "%s", r.log(run))
	for _, face := range r.faces {
		list, err := face.ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: "shop#1"})
		require.NoError(t, err)
		require.Len(t, list.Items, 1)
		a := list.Items[0]
		require.Equal(t, "app", a.Name)
		require.Equal(t, "build", *a.JobKey)
		require.Equal(t, 3, a.Files)
		got, err := face.GetArtifact(t.Context(), schemas.GetArtifactRequest{ID: a.ID})
		require.NoError(t, err)
		require.Equal(t, a, got)
		content := face.OpenArtifact(t.Context(), a)
		root, err := os.OpenRoot(t.TempDir())
		require.NoError(t, err)
		n, err := (&archive.Unpacker{Root: root}).Unpack(t.Context(), content)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		text, err := root.ReadFile("out/a b/ñ")
		require.NoError(t, err)
		require.Equal(t, "one\n", string(text))
		require.NoError(t, errors.Join(content.Close(), root.Close()))
		checkContent(t, r.url+"/api/v1/artifacts/"+a.ID.String()+"/content", a)
	}
}

// checkContent reads the content over HTTP in each form.
func checkContent(t *testing.T, url string, a hodei.Artifact) {
	t.Helper()
	get := func(query string, header ...string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url+query, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, body
	}
	resp, whole := get("")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, `"`+string(a.SHA256)+`"`, resp.Header.Get("ETag"))
	require.Equal(t, a.SHA256, hodei.DigestOf(sha256.Sum256(whole)))
	resp, part := get("", "Range", "bytes=10-19")
	require.Equal(t, 206, resp.StatusCode)
	require.Equal(t, whole[10:20], part)
	resp, _ = get("", "If-None-Match", resp.Header.Get("ETag"))
	require.Equal(t, 304, resp.StatusCode)
	_, packed := get("?format=zip")
	files, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	require.Len(t, files.File, 4, "three files and an empty directory")
	resp, text := get("?path=" + neturl.QueryEscape("out/a b/ñ"))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "one\n", string(text))
	require.Contains(t, resp.Header.Get("Content-Disposition"), "attachment", "no browser shows it as a page")
	resp, _ = get("?path=nothing")
	require.Equal(t, 404, resp.StatusCode)
}

// TestArtifactsOfAttempts: a retry replaces what the attempt before it has left, a rerun takes
// what the jobs that it keeps have left, and different files at one path are a conflict.
func TestArtifactsOfAttempts(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1)
	marks := t.TempDir()
	r.apply("again", `
slug: again
jobs:
  flaky:
    env: { MARKS: `+marks+` }
    retries: { max: 1, backoff: 0s }
    artifacts: [ { name: log, paths: [log], when: always } ]
    command: echo "$HODEI_ATTEMPT" > log; test -e "$MARKS/tried" || { touch "$MARKS/tried"; exit 1; }
  use:
    needs: [flaky]
    env: { MARKS: `+marks+` }
    command: test "$(cat log)" = 2 && test -e "$MARKS/go"
`)
	first := r.ended(hodei.RefTo(r.execute("again").ID))
	require.Equal(t, hodei.RunFailed, first.Status)
	list, err := r.faces[0].ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(first.ID)})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "of the second attempt alone")
	require.NoError(t, os.WriteFile(filepath.Join(marks, "go"), nil, 0o600))
	again, err := r.faces[0].RerunRun(t.Context(), schemas.RerunRunRequest{ID: hodei.RefTo(first.ID)})
	require.NoError(t, err)
	second := r.ended(hodei.RefTo(again.ID))
	require.Equal(t, hodei.RunCompleted, second.Status, "%s", r.log(second))
	reused, err := r.faces[0].ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(second.ID)})
	require.NoError(t, err)
	require.Equal(t, list.Items, reused.Items)

	r.apply("clash", `
slug: clash
jobs:
  a: { command: "echo a > f", artifacts: [ { name: x, paths: [f] } ] }
  b: { command: "echo b > f", artifacts: [ { name: x, paths: [f] } ] }
  none: { command: "true", artifacts: [ { name: x, paths: [nothing], if_none: error } ] }
  both: { needs: [a, b], command: "echo started" }
`)
	clash := r.ended(hodei.RefTo(r.execute("clash").ID))
	reasons := map[string]hodei.Reason{}
	for _, j := range clash.Jobs {
		if j.Reason != nil {
			reasons[j.Key] = *j.Reason
		}
	}
	require.Equal(t, map[string]hodei.Reason{"none": hodei.ReasonArtifactMissing, "both": hodei.ReasonArtifactConflict}, reasons, "%s", r.log(clash))
	require.NotContains(t, r.log(clash), "started")
}

// log is the log of all jobs of a run.
func (r *runs) log(run hodei.Run) (text string) {
	r.t.Helper()
	for _, j := range run.Jobs {
		if id := j.LastExecution(); id != nil {
			for line, err := range r.faces[0].Logs(r.t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(*id)}) {
				require.NoError(r.t, err)
				text += j.Key + ": " + line.Line + "\n"
			}
		}
	}
	return text
}
