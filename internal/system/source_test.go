package system_test

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/schemas"
)

// repository is a git repository behind HTTP, which demands a password.
type repository struct {
	t        *testing.T
	dir, url string
}

const gitToken = "ghp_s3cr3tOfTheTest"

func newRepository(t *testing.T, name string) *repository {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	r := &repository{t: t, dir: filepath.Join(root, name)}
	require.NoError(t, os.MkdirAll(r.dir, 0o755))
	r.git("init", "-q", "-b", "main")
	path, err := exec.Command("git", "--exec-path").Output()
	require.NoError(t, err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != gitToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/" + name + "/.git"
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-c", "user.name=ana", "-c", "user.email=ana@example.com"}, args...)...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

// commit commits one file and returns the hash.
func (r *repository) commit(name, text string) string {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o755))
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "change "+name)
	return r.git("rev-parse", "HEAD")
}

// sealed lets a system keep secrets.
func sealed(cfg *system.Config) {
	keys, err := seal.LoadOrMake(filepath.Join(cfg.Workers[0].StateDir, "keys"))
	if err != nil {
		panic(err)
	}
	cfg.Manager.Secrets = keys
	for i := range cfg.Workers { // each has one slot, so that the jobs of a run are on all of them
		cfg.Workers[i].Slots = 1
	}
}

// TestSource: every job of a run starts with the tree of one commit, however the branch moves
// meanwhile, and the credential is nowhere.
func TestSource(t *testing.T) {
	t.Parallel()
	repo := newRepository(t, "shop")
	require.NoError(t, os.Mkdir(filepath.Join(repo.dir, "dir"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(repo.dir, "dir/file"), []byte("x"), 0o644))
	require.NoError(t, os.Symlink("dir", filepath.Join(repo.dir, "link")))
	require.NoError(t, os.Symlink("/nowhere", filepath.Join(repo.dir, "dangling")))
	repo.commit("old", "old")
	first := repo.commit("app", "one")
	r := newRuns(t, 2, sealed)
	_, err := r.faces[0].SetSecret(t.Context(), schemas.SetSecretRequest{Name: "GIT_TOKEN", Value: gitToken})
	require.NoError(t, err)
	r.apply("shop", `
slug: shop
source: { git: "`+repo.url+`", ref: main, secret: GIT_TOKEN }
jobs:
  build:
    matrix: { values: { leg: [1, 2, 3, 4] } }
    artifacts: [ { name: app, paths: [app] } ]
    command: |
      test "$HODEI_COMMIT" = "$(git rev-parse HEAD)" && test "$(git rev-list --count HEAD)" = 1
      test -z "$(git status --porcelain)" && test -x app && test -L link && test "$(readlink dangling)" = /nowhere
      if env | grep SOURCE_; then exit 1; fi
      if grep -r ghp_ .git; then exit 1; fi
      echo built >> app
      echo "on=$HODEI_WORKER_ID" >> $HODEI_OUTPUT
  gate: { needs: [build], approval: { message: go? } }
  test:
    needs: [build, gate]
    shell: sh
    command: |
      test "$(tail -n1 app)" = built
      test "$(git rev-parse HEAD)" = "$HODEI_COMMIT"
      exit 3
  bare: { checkout: false, if: { run.branch: main }, command: test ! -e .git && test -n "$HODEI_COMMIT" && test "$HODEI_BRANCH" = main }
finally:
  report: { command: test -f app }
`)
	require.Nil(t, r.execute("shop").Commit)
	require.Eventually(t, func() bool { return r.job("shop#1", "gate").Status == hodei.JobBlocked }, time.Minute, 10*time.Millisecond)
	second := repo.commit("app", "two")
	_, err = r.faces[0].ApproveRun(t.Context(), schemas.ApproveRunRequest{RunAnswer: schemas.RunAnswer{ID: "shop#1", Key: "gate"}})
	require.NoError(t, err)
	run := r.ended("shop#1")
	r.jobs(run, map[string]hodei.RunJobStatus{"source": hodei.JobCompleted, "test": hodei.JobFailed, "bare": hodei.JobCompleted, "report": hodei.JobCompleted})
	require.Equal(t, first, *run.Commit)
	require.Equal(t, "refs/heads/main", *run.Ref, "the full name of the source's ref")
	require.NotContains(t, r.log(run), gitToken)
	on := map[string]bool{}
	for _, j := range run.Jobs {
		if j.Job == "build" {
			require.Equal(t, hodei.JobCompleted, j.Status, "%s", r.log(run))
			on[j.Outputs["on"]] = true
		}
	}
	require.Len(t, on, 2, "the tree is on both workers")

	// A rerun has the commit and fetches nothing, even if all of it runs again.
	_, err = r.faces[1].RerunRun(t.Context(), schemas.RerunRunRequest{ID: "shop#1", Jobs: []string{"bare", "build"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.job("shop#2", "gate").Status == hodei.JobBlocked }, time.Minute, 10*time.Millisecond)
	_, err = r.faces[0].CancelRun(t.Context(), schemas.CancelRunRequest{ID: "shop#2"})
	require.NoError(t, err)
	run = r.ended("shop#2")
	require.Equal(t, first, *run.Commit)
	require.Equal(t, r.job("shop#1", "source").ExecutionID, r.job("shop#2", "source").ReusedExecutionID)
	require.Equal(t, hodei.JobCompleted, r.job("shop#2", "build[leg=1]").Status, "%s", r.log(run))

	// The ref of a run goes before that of the definition; without one it is the branch as it is now.
	for ref, want := range map[string]string{"": second, first: first, "refs/heads/main": second} {
		req := schemas.ExecutePipelineRequest{ID: "shop", Only: []string{"bare"}}
		if ref != "" {
			req.Ref = &ref
		}
		started, err := r.faces[0].ExecutePipeline(t.Context(), req)
		require.NoError(t, err)
		run = r.ended(hodei.RefTo(started.ID))
		require.Equal(t, hodei.RunCompleted, run.Status, "%s", r.log(run))
		require.Equal(t, want, *run.Commit)
	}
	for _, ref := range []string{"nowhere", "--upload-pack=touch /tmp/x"} {
		started, err := r.faces[0].ExecutePipeline(t.Context(), schemas.ExecutePipelineRequest{ID: "shop", Ref: &ref})
		require.NoError(t, err)
		run = r.ended(hodei.RefTo(started.ID))
		require.Equal(t, hodei.RunFailed, run.Status)
		require.Contains(t, r.log(run), ref)
		require.Equal(t, 1, run.Jobs[0].Attempt, "nothing changes by itself")
	}
}

// TestSourceOptions: depth 0 fetches all history, branches and tags, any other depth as many
// commits, and submodules come with the credential of their server.
func TestSourceOptions(t *testing.T) {
	t.Parallel()
	repo := newRepository(t, "shop")
	lib := &repository{t: t, dir: filepath.Join(filepath.Dir(repo.dir), "lib")}
	require.NoError(t, os.Mkdir(lib.dir, 0o755))
	lib.git("init", "-q", "-b", "main")
	lib.commit("old", "old")
	lib.commit("file", "of the library")
	repo.commit("file", "one")
	repo.git("tag", "v1")
	repo.git("branch", "side")
	repo.commit("file", "two")
	repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", lib.dir, "lib")
	repo.git("config", "-f", ".gitmodules", "submodule.lib.url", strings.Replace(repo.url, "/shop/", "/lib/", 1))
	repo.commit("file", "three")
	r := newRuns(t, 1, sealed)
	_, err := r.faces[0].SetSecret(t.Context(), schemas.SetSecretRequest{Name: "GIT_TOKEN", Value: gitToken})
	require.NoError(t, err)
	const clean = `test -z "$(git status --porcelain)" && ! grep -r ghp_ .`
	for slug, c := range map[string][2]string{
		"all":       {`depth: 0, submodules: true`, `test "$(git rev-list --count HEAD)" = 3 && test "$(git tag)" = v1 && git rev-parse origin/side && test "$(cat lib/file)" = "of the library" && test "$(git -C lib rev-list --count HEAD)" = 2`},
		"some":      {`depth: 2`, `test "$(git rev-list --count HEAD)" = 2 && test -z "$(git tag)" && test ! -e lib/file`},
		"one":       {`submodules: true`, `test "$(git rev-list --count HEAD)" = 1 && test "$(git -C lib rev-list --count HEAD)" = 1`},
		"of-a-tag":  {`depth: 0, ref: v1`, `test "$(git rev-list --count HEAD)" = 1 && test "$(cat file)" = one && test "$(git rev-list --count origin/main)" = 3`},
		"of-branch": {`depth: 0, ref: side`, `test "$(cat file)" = one`},
	} {
		r.apply(slug, "slug: "+slug+`
source: { git: "`+repo.url+`", secret: GIT_TOKEN, `+c[0]+` }
jobs:
  look: { command: '`+c[1]+` && `+clean+`' }
`)
		run := r.ended(hodei.RefTo(r.execute(hodei.PipelineRef(slug)).ID))
		require.Equal(t, hodei.RunCompleted, run.Status, "%s: %s", slug, r.log(run))
	}
}

// TestUploadedSource: a run starts with a tree that was uploaded, over each face, whether or
// not its pipeline has a source, and a rerun starts with the same.
func TestUploadedSource(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 2)
	r.apply("fetches", `
slug: fetches
source: { git: "https://localhost:1/none.git" }
jobs: { a: { command: "wc -c f && test -L link" }, bare: { checkout: false, command: test ! -e f }, last: { needs: [a], command: test -f f } }
finally: { end: { command: test -f f } }
`)
	r.apply("plain", "slug: plain\njobs: { a: { command: wc -c f } }\n")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), bytes.Repeat([]byte("not pushed yet\n"), 100_000), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "noise"), noise(1<<20), 0o644)) // several parts
	require.NoError(t, os.Symlink("f", filepath.Join(dir, "link")))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	var content bytes.Buffer
	packed, err := archive.PackTree(t.Context(), root, &content)
	require.NoError(t, err)
	tree := &hodei.UploadedSource{Blob: hodei.Blob{SHA256: hodei.DigestOf(sha256.Sum256(content.Bytes())), Size: int64(content.Len())}, Files: packed.Files}

	_, err = r.faces[0].ExecutePipeline(t.Context(), schemas.ExecutePipelineRequest{ID: "plain", Source: tree})
	require.ErrorContains(t, err, "upload it first")
	for i, slug := range []hodei.PipelineRef{"fetches", "plain"} {
		face := r.faces[1-i]
		require.NoError(t, face.UploadSource(t.Context(), slug, tree.Blob, bytes.NewReader(content.Bytes())))
		require.NoError(t, face.UploadSource(t.Context(), slug, tree.Blob, bytes.NewReader(nil)), "it is stored")
		started, err := face.ExecutePipeline(t.Context(), schemas.ExecutePipelineRequest{ID: slug, Source: tree})
		require.NoError(t, err)
		run := r.ended(hodei.RefTo(started.ID))
		require.Equal(t, hodei.RunCompleted, run.Status, "%s", r.log(run))
		require.Equal(t, hodei.SourceKey, run.Jobs[0].Key)
		require.Equal(t, "uploaded", *run.Jobs[0].Message)
		require.Nil(t, run.Commit)
		list, err := face.ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(run.ID)})
		require.NoError(t, err)
		require.Len(t, list.Items, 1)
		require.Equal(t, tree.SHA256, list.Items[0].SHA256)

		again, err := face.RerunRun(t.Context(), schemas.RerunRunRequest{ID: hodei.RefTo(run.ID), Jobs: []string{"all"}})
		require.NoError(t, err)
		again = r.ended(hodei.RefTo(again.ID))
		require.Equal(t, hodei.RunCompleted, again.Status, "%s", r.log(again))
		require.Equal(t, run.Jobs[0].ExecutionID, again.Jobs[0].ReusedExecutionID)
		_, err = face.RerunRun(t.Context(), schemas.RerunRunRequest{ID: hodei.RefTo(run.ID), Jobs: []string{"source"}})
		require.ErrorIs(t, err, hodei.Invalid)

		// Once the tree is deleted, nothing runs without it.
		if i == 1 {
			_, err = face.DeleteArtifact(t.Context(), schemas.DeleteArtifactRequest{ID: list.Items[0].ID})
			require.NoError(t, err)
			again, err = face.RerunRun(t.Context(), schemas.RerunRunRequest{ID: hodei.RefTo(run.ID), Jobs: []string{"all"}})
			require.NoError(t, err)
			again = r.ended(hodei.RefTo(again.ID))
			require.Equal(t, hodei.RunFailed, again.Status)
			require.Contains(t, r.log(again), "the source of the run was deleted")
		}
	}
}

// noise is data that no compression makes smaller.
func noise(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// job is a job of a run.
func (r *runs) job(ref hodei.RunRef, key string) hodei.RunJob {
	r.t.Helper()
	run, err := r.faces[0].GetRun(r.t.Context(), schemas.GetRunRequest{ID: ref})
	require.NoError(r.t, err)
	for _, j := range run.Jobs {
		if j.Key == key {
			return j
		}
	}
	require.FailNow(r.t, "no such job", key)
	return hodei.RunJob{}
}

// jobs checks states of jobs.
func (r *runs) jobs(run hodei.Run, want map[string]hodei.RunJobStatus) {
	r.t.Helper()
	for _, j := range run.Jobs {
		if status, ok := want[j.Key]; ok {
			require.Equal(r.t, status, j.Status, "%s: %s\n%s", j.Key, j.Why(), r.log(run))
		}
	}
}
