package system_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

const hookKey = "it is a secret key"

// pushes is a repository whose pushes are sent to the hook of the pipeline shop.
type pushes struct {
	*runs
	repo *repository
	hook hodei.Hook
}

// The recorded events are of this commit.
const recordedCommit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

// send posts a recorded event of Gitea as that of another commit, and waits until the hook has
// decided about it.
func (p *pushes) send(name, event, commit string, replace ...string) (d hodei.Delivery) {
	p.t.Helper()
	body, err := os.ReadFile("../../services/orchestrator/hook/testdata/" + name + ".json")
	require.NoError(p.t, err)
	text := strings.NewReplacer(append([]string{recordedCommit, commit}, replace...)...).Replace(string(body))
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write([]byte(text))
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+p.hook.URL, strings.NewReader(text))
	require.NoError(p.t, err)
	req.Header = http.Header{"X-Gitea-Event": {event}, "X-Gitea-Delivery": {name + commit + strconv.Itoa(len(replace))}, "X-Gitea-Signature": {hex.EncodeToString(mac.Sum(nil))}}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	require.Less(p.t, resp.StatusCode, 300, "%s", answer)
	require.NoError(p.t, json.Unmarshal(answer, &d))
	require.Eventually(p.t, func() bool {
		list, err := p.faces[0].ListDeliveries(p.t.Context(), schemas.ListDeliveriesRequest{ID: p.hook.ID})
		require.NoError(p.t, err)
		for _, one := range list.Items {
			if one.ID == d.ID {
				d = one
			}
		}
		return d.Status != hodei.DeliveryPending
	}, time.Minute, 5*time.Millisecond)
	return d
}

// push commits the definition, sends the push and returns the run once it has ended.
func (p *pushes) push(definition string) hodei.Run {
	p.t.Helper()
	d := p.send("gitea_push", "push", p.repo.commit("hodei.yaml", definition))
	require.Equal(p.t, hodei.DeliveryStarted, d.Status, "%v", d.Message)
	return p.ended(hodei.RefTo(*d.RunID))
}

// keys are the jobs of the run.
func keys(run hodei.Run) string {
	var all []string
	for _, j := range run.Jobs {
		all = append(all, j.Key)
	}
	return strings.Join(all, " ")
}

func (p *pushes) rerun(ref hodei.RunRef, jobs ...string) hodei.Run {
	p.t.Helper()
	again, err := p.faces[1].RerunRun(p.t.Context(), schemas.RerunRunRequest{ID: ref, Jobs: jobs})
	require.NoError(p.t, err)
	return p.ended(hodei.RefTo(again.ID))
}

// newPushes is a system with the pipeline shop, whose hook and schedule use the definition in
// the repository.
func newPushes(t *testing.T) *pushes {
	p := &pushes{repo: newRepository(t, "shop/web"), runs: newRuns(t, 1, sealed)}
	for name, value := range map[string]string{"GIT_TOKEN": gitToken, "HOOK_KEY": hookKey, "DEPLOY_KEY": "deploy key", "ADMIN_KEY": "admin key"} {
		_, err := p.faces[0].SetSecret(t.Context(), schemas.SetSecretRequest{Name: name, Value: value})
		require.NoError(t, err)
	}
	p.apply("shop", p.applied("[DEPLOY_KEY]"))
	list, err := p.faces[0].ListHooks(t.Context(), schemas.ListHooksRequest{})
	require.NoError(t, err)
	p.hook = list.Items[0]
	return p
}

// applied is the definition that is applied, with the secrets of its job.
func (p *pushes) applied(secrets string) string {
	return `
slug: shop
params: { who: { default: nobody }, mode: { default: applied } }
source: { git: "` + p.repo.url + `", secret: GIT_TOKEN }
hooks: [ { kind: gitea, secret: HOOK_KEY, branches: [develop, main], params: { who: sender.login, mode: head_commit.author.name }, definition: repository, forks: approve } ]
schedules: [ { name: nightly, cron: "0 3 * * *", params: { mode: nightly }, definition: repository } ]
jobs: { build: { command: echo applied, secrets: ` + secrets + ` } }
`
}

// TestDefinitionOfTheRepository: the jobs of a run for a push are those of the file in the
// pushed commit, and a rerun has the same, whatever is pushed and applied meanwhile.
func TestDefinitionOfTheRepository(t *testing.T) {
	t.Parallel()
	p := newPushes(t)
	run := p.push(`
params: { mode: { default: file } }
jobs:
  build:
    secrets: [DEPLOY_KEY]
    command: |
      test "$PARAM_MODE,${PARAM_WHO-none}" = "Frida,none" && test -n "$DEPLOY_KEY"
      test "$(git rev-parse HEAD)" = "$HODEI_COMMIT" && test -f hodei.yaml
      case $HODEI_NEEDS in *jobs:*) exit 1 ;; esac
      test -e fixed || echo "version=1" >> $HODEI_OUTPUT
  legs: { name: "Leg of ${{ run.commit }}", needs: [build], matrix: { values: { n: [1, 2] } }, command: 'test "$MATRIX_N" != 2' }
finally: { end: { command: "true" } }
`)
	require.Equal(t, "source build legs[n=1] legs[n=2] end", keys(run), "%s", p.log(run))
	p.jobs(run, map[string]hodei.RunJobStatus{
		"source": hodei.JobCompleted, "build": hodei.JobCompleted, "legs[n=1]": hodei.JobCompleted, "legs[n=2]": hodei.JobFailed, "end": hodei.JobCompleted,
	})
	require.Equal(t, hodei.DefinitionRepository, run.Definition)
	require.Equal(t, map[string]string{"mode": "Frida"}, run.Params)
	require.Equal(t, map[string]string{"commit": *run.Commit}, run.Jobs[0].Outputs)
	require.Equal(t, "Leg of "+*run.Commit, *run.Jobs[2].Name)
	require.Nil(t, run.Jobs[2].JobID, "the pipeline has no such job")
	require.NotNil(t, run.Jobs[1].JobID, "the pipeline has this one")
	found, err := p.faces[1].GetExecution(t.Context(), schemas.GetExecutionRequest{ID: hodei.RefTo(*run.Jobs[0].ExecutionID)})
	require.NoError(t, err)
	require.Contains(t, found.Outputs["definition"], "legs:")

	p.repo.commit("hodei.yaml", "jobs: { other: { command: \"false\" } }\n")
	p.apply("shop", strings.Replace(p.applied("[]"), "build:", "renamed:", 1))
	for _, jobs := range [][]string{nil, {"all"}, {"source"}} {
		again := p.rerun(hodei.RefTo(run.ID), jobs...)
		require.Equal(t, keys(run), keys(again))
		require.Equal(t, run.Params, again.Params)
		require.Equal(t, hodei.DefinitionRepository, again.Definition)
		p.jobs(again, map[string]hodei.RunJobStatus{"source": hodei.JobCompleted, "build": hodei.JobCompleted, "legs[n=2]": hodei.JobFailed})
	}

	// A schedule has the file of the default branch.
	list, err := p.faces[0].ListSchedules(t.Context(), schemas.ListSchedulesRequest{})
	require.NoError(t, err)
	last := p.repo.commit("hodei.yaml", "params: { mode: {} }\njobs: { show: { command: 'test $PARAM_MODE = nightly' } }\n")
	fire, err := p.faces[1].TriggerSchedule(t.Context(), schemas.TriggerScheduleRequest{ID: list.Items[0].ID})
	require.NoError(t, err)
	run = p.ended(hodei.RefTo(*fire.RunID))
	require.Equal(t, "source show", keys(run))
	require.Equal(t, hodei.RunCompleted, run.Status, "%s", p.log(run))
	require.Equal(t, last, *run.Commit)
}

// TestInvalidDefinitionOfTheRepository: a run whose file is not valid, or uses what the applied
// definition does not, fails with the place of each problem.
func TestInvalidDefinitionOfTheRepository(t *testing.T) {
	t.Parallel()
	p := newPushes(t)
	refused := func(run hodei.Run) string {
		t.Helper()
		require.Equal(t, hodei.RunFailed, run.Status)
		require.Equal(t, "source failed", run.Why())
		require.Equal(t, "source", keys(run))
		require.Equal(t, hodei.ReasonDefinition, *run.Jobs[0].Reason, "%s", p.log(run))
		return *run.Jobs[0].Message
	}
	require.Equal(t, `hodei.yaml:2:8: jobs.a.comand: unknown field; did you mean "command"?`, refused(p.push("jobs:\n  a: { comand: x }\n")))
	require.Equal(t, `hodei.yaml: params.mode: "Frida" is not one of x`, refused(p.push("params: { mode: { enum: [x] } }\njobs: { a: { command: x } }\n")))
	run := p.push("x-long: " + strings.Repeat("x", 60<<10) + "\njobs: {a: {command: x}}\n")
	require.Equal(t, hodei.RunFailed, run.Status)
	require.Contains(t, p.log(run), "a definition in a repository has at most 60 KiB")

	// A link is a text, whatever it points to on the worker.
	p.repo.git("rm", "-q", "hodei.yaml")
	require.NoError(t, os.Symlink(".git/config", filepath.Join(p.repo.dir, "hodei.yaml")))
	p.repo.commit("other", "x")
	d := p.send("gitea_push", "push", p.repo.git("rev-parse", "HEAD"))
	require.Contains(t, refused(p.ended(hodei.RefTo(*d.RunID))), "a mapping is required")
	p.repo.git("rm", "-q", "hodei.yaml")
	d = p.send("gitea_push", "push", p.repo.commit("other", "y"))
	require.Equal(t, "hodei.yaml: no such file in the commit", refused(p.ended(hodei.RefTo(*d.RunID))))

	// Once the applied definition grants it, a rerun reads the same file and goes on.
	run = p.push("jobs: { a: { command: 'test -n \"$ADMIN_KEY\"', secrets: [ADMIN_KEY] } }\n")
	require.Equal(t, `hodei.yaml:1:57: jobs.a.secrets[0]: no job of the applied definition receives the secret "ADMIN_KEY": apply the file first`, refused(run))
	p.apply("shop", p.applied("[ADMIN_KEY]"))
	again := p.rerun(hodei.RefTo(run.ID))
	require.Equal(t, hodei.RunCompleted, again.Status, "%s", p.log(again))
	require.Equal(t, "source a", keys(again))
}

// TestUntrustedDefinition: a pull request, of a fork or not, uses the applied definition, and a
// push to another repository starts nothing.
func TestUntrustedDefinition(t *testing.T) {
	t.Parallel()
	p := newPushes(t)
	commit := p.repo.commit("hodei.yaml", "jobs: { evil: { command: env } }\n")
	d := p.send("gitea_pull_request", "pull_request", commit)
	run := p.ended(hodei.RefTo(*d.RunID))
	require.Equal(t, "source build", keys(run))
	require.Equal(t, hodei.DefinitionApplied, run.Definition)

	d = p.send("gitea_fork", "pull_request", commit)
	require.Equal(t, hodei.DeliveryBlocked, d.Status)
	d, err := p.faces[0].ApproveDelivery(t.Context(), schemas.ApproveDeliveryRequest{ID: p.hook.ID, DeliveryID: d.ID})
	require.NoError(t, err)
	run = p.ended(hodei.RefTo(*d.RunID))
	require.Equal(t, "source build", keys(run))
	require.Equal(t, hodei.DefinitionApplied, run.Definition)

	d = p.send("gitea_push", "push", commit, `"full_name": "shop/web"`, `"full_name": "mallory/web"`)
	require.Equal(t, hodei.DeliveryRefused, d.Status)
	require.Equal(t, `definition: the event is of the repository "mallory/web", and that of source.git is another one`, *d.Message)
}
