//go:build linux

package test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// makesFiles is a command that leaves a file and its digest; no two jobs of a run use one name.
const makesFiles = `mkdir -p out; f="out/$HODEI_RUN_ID.$HODEI_JOB"; head -c 300000 /dev/urandom > "$f"; sha256sum "$f" > "$f.sum"`

// checksFiles is the beginning of every job of a graph: what it receives is whole.
const checksFiles = `for sum in out/*.sum; do
  [ ! -e "$sum" ] || sha256sum --quiet -c "$sum" || echo "$HODEI_EXECUTION_ID has received a part of $sum" >> $CHAOS/spoiled
done
`

// mostFiles is how many artifacts are downloaded afterwards.
const mostFiles = 100

// judgeFiles: a job that ended well has kept its artifact, and each artifact has the content that
// its digest names.
func (w *arena) judgeFiles(tales map[hodei.RunID]*tale, check checkFunc) {
	for _, line := range w.lines("spoiled") {
		check("artifacts are received whole", line[:min(len(line), 41)], false, "%s", line)
	}
	downloaded := 0
	for id := range tales {
		status, list := call(w.t, "GET", w.edges[0]+"/runs/"+id.String()+"/artifacts?limit=1000", "")
		require.Equal(w.t, 200, status, list)
		kept := map[string]bool{}
		for _, item := range list["items"].([]any) {
			a := item.(object)
			kept[a["execution_id"].(string)] = true
			if downloaded++; downloaded > mostFiles {
				continue
			}
			digest := w.download(a["id"].(string))
			check("artifacts are stored whole", a["execution_id"].(string), digest == a["sha256"], "%s has the content %s", a["id"], digest)
		}
		for _, e := range w.keepers(id) {
			check("artifacts of completed jobs are kept", e, kept[e], "has kept no artifact")
		}
	}
}

// keepers are the executions of a run that ended well and declare an artifact.
func (w *arena) keepers(id hodei.RunID) (ids []string) {
	rows, err := w.db.Query(w.ctx, `SELECT 'exec_' || e.id FROM executions e JOIN run_jobs j ON j.execution_id = e.id
		WHERE j.run_id = $1 AND e.status = 'COMPLETED' AND j.spec->'artifacts' IS NOT NULL`, id)
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var e string
		require.NoError(w.t, rows.Scan(&e))
		ids = append(ids, e)
	}
	require.NoError(w.t, rows.Err())
	return ids
}

// download returns the digest of an artifact's content.
func (w *arena) download(id string) string {
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get(w.edges[0] + "/artifacts/" + id + "/content")
	require.NoError(w.t, err)
	defer resp.Body.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, resp.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, 200, resp.StatusCode)
	return hex.EncodeToString(sum.Sum(nil))
}

// artifactsDir is what the instances of the artifacts service share.
func (w *arena) artifactsDir() string { return filepath.Join(w.dir, "artifacts") }
