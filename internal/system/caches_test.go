package system_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const cachedPipeline = `
slug: cached
params: { lock: { default: one } }
hooks: [ { kind: gitea, secret: KEY, forks: run, events: [pull_request], params: { lock: sender.login } } ]
jobs:
  lock:
    command: echo "$PARAM_LOCK" > lock
    artifacts: [ { name: lock, paths: [lock] } ]
  build:
    needs: [lock]
    matrix: { values: { leg: [1, 2] } }
    env: { MARKS: %s }
    caches: [ { key: "deps-${{ file_hash('lock') }}", restore: ["deps-"], paths: ["~/.store", "mod/**"] } ]
    command: |
      if [ -e ~/.store/run ]; then test -x mod/bin/tool && test -f "$(readlink mod/link)" && echo "found $(cat ~/.store/run)"; fi
      mkdir -p "$MARKS/$HODEI_RUN_NUMBER" ~/.store mod/bin
      echo "$HODEI_RUN_NUMBER" > ~/.store/run
      echo "$HODEI_WORKER_ID" > ~/.store/worker
      touch mod/bin/tool && chmod +x mod/bin/tool && ln -sf mod/bin/tool mod/link
      echo "on=$HODEI_WORKER_ID" >> $HODEI_OUTPUT
      touch "$MARKS/$HODEI_RUN_NUMBER/$MATRIX_LEG" # both legs run at once, one on each worker
      until [ -e "$MARKS/$HODEI_RUN_NUMBER/1" ] && [ -e "$MARKS/$HODEI_RUN_NUMBER/2" ]; do sleep 0.01; done
`

// forked delivers the event that someone has changed pull request 7 of a fork, and returns
// the run that it starts.
func (r *runs) forked(hook hodei.HookID, sender string, change int) hodei.Run {
	r.t.Helper()
	body := fmt.Appendf(nil, `{"action":"opened","number":7,"sender":{"login":%q},"pull_request":{"head":{"sha":"%040x","repo":{"id":2}},"base":{"ref":"main","repo":{"id":1}}}}`, sender, change)
	mac := hmac.New(sha256.New, []byte(gitToken))
	mac.Write(body)
	d, err := rpc.Call(r.t.Context(), r.nc, schemas.ReceiveHook, schemas.ReceiveHookRequest{ID: hook, Attached: schemas.Attached{Data: body}, Headers: map[string]string{
		"x-gitea-event": "pull_request", "x-gitea-delivery": fmt.Sprint(sender, change), "x-gitea-signature": hex.EncodeToString(mac.Sum(nil)),
	}})
	require.NoError(r.t, err)
	var run *hodei.RunID
	require.Eventually(r.t, func() bool {
		list, err := r.faces[0].ListDeliveries(r.t.Context(), schemas.ListDeliveriesRequest{ID: hook})
		require.NoError(r.t, err)
		for _, one := range list.Items {
			if one.ID == d.ID {
				run = one.RunID
			}
		}
		return run != nil
	}, time.Minute, 5*time.Millisecond)
	return r.ended(hodei.RefTo(*run))
}

// TestCaches: what one worker has saved both restore in the next run, by the key or by a
// prefix of it, and what the run of a fork saves its pull request alone restores.
func TestCaches(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 2, sealed)
	_, err := r.faces[0].SetSecret(t.Context(), schemas.SetSecretRequest{Name: "KEY", Value: gitToken})
	require.NoError(t, err)
	r.apply("cached", fmt.Sprintf(cachedPipeline, t.TempDir()))
	// is checks how often the log has each text.
	is := func(run hodei.Run, want map[string]int) {
		t.Helper()
		log := r.log(run)
		require.Equal(t, hodei.RunCompleted, run.Status, log)
		for text, n := range want {
			require.Equal(t, n, strings.Count(log, text), "%q in\n%s", text, log)
		}
		require.NotContains(t, log, "warning")
		on := map[string]bool{}
		for _, j := range run.Jobs {
			if j.Job == "build" {
				on[j.Outputs["on"]] = true
			}
		}
		require.Len(t, on, 2, "on both workers")
	}
	start := func(lock string) hodei.Run {
		t.Helper()
		started, err := r.faces[0].ExecutePipeline(t.Context(), schemas.ExecutePipelineRequest{ID: "cached", Params: map[string]hodei.Scalar{"lock": hodei.Scalar(lock)}})
		require.NoError(t, err)
		return r.ended(hodei.RefTo(started.ID))
	}
	first := start("one")
	is(first, map[string]int{"no cache deps-": 2, ", nor deps-": 2, "saved the cache deps-": 1, "was saved by another job meanwhile": 1, "restored": 0})
	is(start("one"), map[string]int{"restored the cache deps-": 2, "there is no": 0, "found 1": 2, "saved": 0})
	is(start("two"), map[string]int{"restored the cache deps-": 2, "there is no": 2, "found 1": 2, "saved the cache": 1})
	is(start("three"), map[string]int{"found 3": 2, "saved the cache": 1})

	hooks, err := r.faces[0].ListHooks(t.Context(), schemas.ListHooksRequest{})
	require.NoError(t, err)
	hook := hooks.Items[0].ID
	is(r.forked(hook, "one", 1), map[string]int{"restored": 2, "found 1": 2, "saved": 0})
	fork := r.forked(hook, "mallory", 2)
	is(fork, map[string]int{"there is no": 2, "found 4": 2, "saved the cache": 1})
	is(r.forked(hook, "mallory", 3), map[string]int{"there is no": 0, "found 6": 2, "saved": 0})
	is(start("mallory"), map[string]int{"there is no": 2, "found 4": 2, "saved the cache": 1})
	again, err := r.faces[0].RerunRun(t.Context(), schemas.RerunRunRequest{ID: hodei.RefTo(fork.ID), Jobs: []string{"build"}})
	require.NoError(t, err)
	is(r.ended(hodei.RefTo(again.ID)), map[string]int{"there is no": 0, "saved": 0})

	var all []hodei.Cache
	for i, face := range r.faces {
		list, err := face.ListCaches(t.Context(), schemas.ListCachesRequest{ID: "cached", Key: "deps-"})
		require.NoError(t, err)
		require.True(t, i == 0 || reflect.DeepEqual(all, list.Items))
		all = list.Items
	}
	scopes := make([]string, len(all))
	for i, c := range all {
		require.Equal(t, []string{"~/.store", "mod/**"}, c.Paths)
		require.Equal(t, 4, c.Files)
		require.Regexp(t, `^deps-[0-9a-f]{64}$`, c.Key)
		if c.Scope != nil {
			scopes[i] = *c.Scope
		}
	}
	require.Equal(t, []string{"", "pull/7", "", "", ""}, scopes)
	oldest := schemas.DeleteCacheRequest{ID: all[len(all)-1].ID}
	_, err = r.faces[1].DeleteCache(t.Context(), oldest)
	require.NoError(t, err)
	_, err = r.faces[0].DeleteCache(t.Context(), oldest)
	require.ErrorIs(t, err, hodei.NotFound)
	is(start("one"), map[string]int{"there is no": 2, "saved the cache": 1})
}
