//go:build linux

package test

import (
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const transferred = `
slug: big
defaults: { retries: { max: 1, backoff: 0s, on: [WORKER_LOST] } }
jobs:
  make:
    type: from
    command: head -c 12000000 /dev/urandom > big; sha256sum big > sum
    artifacts: [ { name: big, paths: [big, sum] } ]
  use: { needs: [make], type: to, command: sha256sum -c sum }
`

// TestWorkersKilledWhileTheyTransfer kills a worker in the middle of an upload and another in
// the middle of a download. No part of an artifact is visible meanwhile, and the retries
// complete with all of it.
func TestWorkersKilledWhileTheyTransfer(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	s := up(t, "--workers", "0", "--artifacts", store)
	at, err := url.Parse(s.nats)
	require.NoError(t, err)
	slow := newLink(t, at.Host)
	worker := func(kind, nats string) (*process, string) {
		dir := t.TempDir()
		return start(t, "worker", "--nats", nats, "--type", kind, "--state-dir", dir), dir
	}
	status, raw, _ := request(t, "PUT", s.orchestrator+"/pipelines/big", transferred, http.Header{"Content-Type": {"application/yaml"}})
	require.Less(t, status, 300, string(raw))
	status, run := call(t, "POST", s.orchestrator+"/pipelines/big/execute", "")
	require.Less(t, status, 300, run)
	artifacts := func() []any {
		status, list := call(t, "GET", s.orchestrator+"/runs/big%231/artifacts", "")
		require.Equal(t, 200, status, list)
		return list["items"].([]any)
	}

	slow.disturb(trouble{rate: 3 << 20}, trouble{})
	from, _ := worker("from", "nats://"+slow.addr)
	eventually(t, "an upload is in its middle", time.Minute, func() bool { return bytesIn(t, filepath.Join(store, "uploads")) > 3<<20 })
	from.kill()
	require.Empty(t, artifacts())
	require.Zero(t, bytesIn(t, filepath.Join(store, "blobs")))

	worker("from", s.nats)
	eventually(t, "the retry leaves its artifact", time.Minute, func() bool { return len(artifacts()) == 1 })
	slow.disturb(trouble{}, trouble{rate: 3 << 20})
	to, dir := worker("to", "nats://"+slow.addr)
	eventually(t, "a download is in its middle", time.Minute, func() bool { n := bytesIn(t, dir); return n > 3<<20 && n < 12_000_000 })
	to.kill()
	slow.disturb(trouble{}, trouble{})
	worker("to", s.nats)
	eventually(t, "the run ends", time.Minute, func() bool {
		_, run = call(t, "GET", s.orchestrator+"/runs/big%231", "")
		return run["completed_at"] != nil
	})
	require.Equal(t, "COMPLETED", run["status"])
	for _, j := range run["jobs"].([]any) {
		require.EqualValues(t, 2, j.(object)["attempt"], "a worker was killed")
	}
	require.Len(t, artifacts(), 1)
}

// bytesIn is the size of the files below a directory.
func bytesIn(t testing.TB, dir string) (n int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error { // files come and go
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
