package system_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestReportsOfTests: JUnit XML in an artifact is counted, secrets in it are masked, and the
// reports of the last runs are listed. What is no report, or a broken one, fails nothing.
func TestReportsOfTests(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1)
	r.apply("tested", `
slug: tested
jobs:
  unit:
    artifacts: [ { name: results, paths: ["**/*.xml", two.XML], when: always } ]
    command: |
      mkdir out; echo ::add-mask::hunter2hunter2
      echo '<testsuite name="cart"><testcase name="adds" time="0.5"/><testcase name="pays"><failure message="token hunter2hunter2"/></testcase></testsuite>' > out/one.xml
      echo '<testsuites><testsuite><testcase name="later"><skipped/></testcase></testsuite></testsuites>' > two.XML
      echo '<testsuites><testsuite>' > broken.xml; echo '<pom/>' > pom.xml
  same:
    artifacts: [ { name: one, paths: [one.xml] }, { name: two, paths: [two.xml] } ]
    command: echo '<testsuite><testcase name="x"/></testsuite>' | tee one.xml > two.xml
  other: { command: "echo '<testsuite/>' > x", artifacts: [ { name: none, paths: [x] } ] }
`)
	run := r.ended(hodei.RefTo(r.execute("tested").ID))
	require.Equal(t, hodei.RunCompleted, run.Status, "%s", r.log(run))
	require.Contains(t, r.log(run), `the test report "broken.xml" is left out`)
	require.Contains(t, r.log(run), `; 3 tests: 1 passed, 1 failed, 1 skipped`)
	require.Equal(t, 1, strings.Count(r.log(run), "; 1 test: 1 passed"), "one report in two artifacts")
	again := r.ended(hodei.RefTo(r.execute("tested").ID))
	for _, face := range r.faces {
		list, err := face.ListReports(t.Context(), schemas.ListReportsRequest{ID: "tested"})
		require.NoError(t, err)
		list.Items = slices.DeleteFunc(list.Items, func(a hodei.Artifact) bool { return *a.JobKey == "same" })
		require.Len(t, list.Items, 2)
		require.Equal(t, again.ID, *list.Items[0].RunID)
		a := list.Items[1]
		require.Equal(t, run.Number, *a.RunNumber)
		require.Equal(t, &hodei.TestReport{
			Passed: 1, Failed: 1, Skipped: 1, DurationSeconds: 0.5,
			Failures: []hodei.TestCase{{Suite: "cart", Name: "pays", Message: "token ***"}},
			Slowest:  []hodei.TestCase{{Suite: "cart", Name: "adds", DurationSeconds: 0.5}},
		}, a.Report)
		all, err := face.ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: "tested#1"})
		require.NoError(t, err)
		require.Contains(t, all.Items, a)
		require.Len(t, all.Items, 4)
		_, err = face.ListReports(t.Context(), schemas.ListReportsRequest{ID: "nosuch"})
		require.ErrorIs(t, err, hodei.NotFound)
	}
}

// TestUploadsOfACommand: what a command leaves for the worker is verified, and stored with
// all other artifacts or not at all.
func TestUploadsOfACommand(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1)
	record := func(name, content string) string {
		sum := sha256.Sum256([]byte(name))
		return fmt.Sprintf(`mkdir -p "$HODEI_UPLOADS"; echo '{"name":"%s","content":"%s"}' > "$HODEI_UPLOADS/%x.json"; `, name, content, sum)
	}
	var jobs string
	for key, command := range map[string]string{
		"junk":     record("up", "c") + `echo junk > "$HODEI_UPLOADS/c"`,
		"outside":  record("up", "../c") + `echo x > "$HODEI_UPLOADS/../c"`,
		"linked":   record("up", "c") + `ln -s /etc/passwd "$HODEI_UPLOADS/c"`,
		"declared": record("own", "c") + `echo junk > "$HODEI_UPLOADS/c"`,
		"secret":   "echo ::add-mask::hunter2hunter2; " + record("hunter2hunter2", "c") + `echo junk > "$HODEI_UPLOADS/c"`,
		"broken":   `mkdir "$HODEI_UPLOADS"; echo '{' > "$HODEI_UPLOADS/x.json"`,
	} {
		jobs += fmt.Sprintf("  %s:\n    artifacts: [ { name: own, paths: [f] } ]\n    command: |\n      echo > f; %s\n", key, command)
	}
	r.apply("uploads", "slug: uploads\njobs:\n"+jobs)
	run := r.ended(hodei.RefTo(r.execute("uploads").ID))
	for _, j := range run.Jobs {
		require.Equal(t, new(hodei.ReasonArtifactFailed), j.Reason, "%s: %s", j.Key, r.log(run))
	}
	log := r.log(run)
	for _, why := range []string{
		"junk: hodei: artifacts: up: read archive: ", "outside: hodei: artifacts: up: it cannot be read", "linked: hodei: artifacts: up: it cannot be read",
		"declared: hodei: artifacts: own: the job has an artifact with this name already", "secret: hodei: artifacts: ***: the name contains a secret",
		"broken: hodei: artifacts: upload x.json: its record is damaged",
	} {
		require.Contains(t, log, why)
	}
	list, err := r.faces[0].ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(run.ID)})
	require.NoError(t, err)
	require.Empty(t, list.Items)
}
