package artifacts

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// permission is what a request for a part of content needs: for a worker its execution, and
// the upload or the content; for people the artifact, or the pipeline and the upload.
type permission struct {
	schemas.OnWorker
	person   string
	pipeline hodei.PipelineRef
	upload   hodei.BlobID
	digest   hodei.Digest
	artifact hodei.ArtifactID
}

// content is where the bytes are.
type content struct {
	id     hodei.BlobID
	size   int64
	stored bool
}

// allowed are permissions that were found in the record a short time ago, so that not every
// chunk of a transfer asks for its own. After an execution has ended, its worker can go on
// for as long, and change nothing that counts: artifacts.keep asks the record.
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

// find returns what is known of the permission, or asks for it.
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
