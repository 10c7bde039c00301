package test

import (
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// upload begins or resumes to upload some content, and returns the body of its only part.
func (w world) upload() (id string, part []byte) {
	text := []byte("a tree of its own")
	body, err := json.Marshal(object{"sha256": hodei.DigestOf(sha256.Sum256(text)), "size": len(text)})
	require.NoError(w.s.t, err)
	id = w.create("/pipelines/"+w.pipeline+"/sources", string(body))
	part, err = json.Marshal(object{"data": text})
	require.NoError(w.s.t, err)
	return id, part
}

// uploaded is an upload that has arrived.
func (w world) uploaded() string {
	id, part := w.upload()
	status, out := call(w.s.t, "PUT", w.s.orchestrator+"/pipelines/"+w.pipeline+"/sources/"+id, string(part))
	require.Equal(w.s.t, 204, status, out)
	return id
}

// required are bodies of the operations that have a required field.
var required = map[string]string{"backfillSchedule": `{"from":"2026-01-01T00:00:00Z"}`, "beginSource": `{"sha256":"` + strings.Repeat("0", 64) + `","size":3}`}

func (w *walker) sources(s *system) {
	uploadID, part := world{s: s, pipeline: "filed"}.upload()
	w.upload = uploadID
	w.ask(204, "writeSource", "filed", "", string(part))
	w.ask(200, "commitSource", "filed", "", "")
	w.ask(404, "writeSource", nowhere, "", string(part))
	w.upload = w.ask(201, "beginSource", "filed", "", required["beginSource"])["id"].(string)
	w.ask(204, "writeSource", "filed", "", `{"data":"YWJj"}`)
	w.ask(409, "commitSource", "filed", "", "") // it has another digest
}

func (w *walker) artifacts(s *system) {
	id, run := world{s: s}.artifact("rust")
	w.ask(200, "listArtifacts", run, "limit=1", "")
	w.ask(200, "listReports", "filed", "limit=1", "")
	w.ask(200, "getArtifact", id, "", "")
	w.ask(200, "artifactContent", id, "format=list", "")
	w.ask(206, "artifactContent", id, "", "", "Range", "bytes=0-9")
	w.ask(204, "deleteArtifact", id, "", "")
	cache, pipeline := world{s: s}.cache("rust")
	w.ask(200, "listCaches", pipeline, "key=k&limit=1", "")
	w.ask(204, "deleteCache", cache, "", "")
}
