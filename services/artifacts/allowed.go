package artifacts

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// permission identifies what a request for a part of content must be allowed to use. For a
// worker: its execution, and the upload or the content. For people: the artifact, or the
// pipeline and the upload.
type permission struct {
	schemas.OnWorker
	person   string
	pipeline hodei.PipelineRef
	upload   hodei.BlobID
	digest   hodei.Digest
	artifact hodei.ArtifactID
}

// content identifies stored content.
type content struct {
	id     hodei.BlobID
	size   int64
	stored bool
}

// allowed caches permissions for a short time, so that a transfer does not query Postgres for
// each chunk. After an execution has ended, its worker may continue to transfer for that time.
// This has no lasting effect, because artifacts.keep checks the execution in Postgres.
type allowed struct {
	mu    sync.Mutex
	known map[permission]grant
}

type grant struct {
	content
	until time.Time
}

const (
	allowedFor  = 5 * time.Second
	allowedMost = 1024
)

// find returns the cached content for the permission, or queries it.
func (a *allowed) find(p permission, ask func() (content, error)) (content, error) {
	now := time.Now()
	a.mu.Lock()
	g, ok := a.known[p]
	a.mu.Unlock()
	if ok && now.Before(g.until) {
		return g.content, nil
	}
	at, err := ask()
	if err != nil {
		return at, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= allowedMost {
		a.known = map[permission]grant{}
	}
	a.known[p] = grant{at, now.Add(allowedFor)}
	return at, nil
}
