package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

// define applies a pipeline.
func (h system) define(ctx context.Context, slug string, jobs map[string]any) error {
	body, err := json.Marshal(map[string]any{"slug": slug, "jobs": jobs})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, h.bases[0]+"/api/v1/pipelines/"+slug, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		err = fmt.Errorf("apply %s: %s", slug, resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

// start requests a run.
func (h system) start(ctx context.Context, slug string) error {
	_, err := post(ctx, h.bases[0]+"/api/v1/pipelines/"+slug+"/execute", nil)
	return err
}

// runFeed receives the ends of runs.
type runFeed struct {
	nc   *nats.Conn
	seen chan runEnd
}

type runEnd struct {
	at time.Time
	ok bool
}

func followRuns(url string) (*runFeed, error) {
	nc, err := nats.Connect(url, nats.Name("bench"))
	if err != nil {
		return nil, err
	}
	f := &runFeed{nc: nc, seen: make(chan runEnd, 10_000)}
	_, err = nc.Subscribe(schemas.RunEventSubjects, func(m *nats.Msg) {
		var event struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(m.Data, &event) // anything else has no type
		switch event.Type {
		case schemas.EventRunCompleted:
			f.seen <- runEnd{time.Now(), true}
		case schemas.EventRunFailed, schemas.EventRunCancelled, schemas.EventRunTimedOut:
			f.seen <- runEnd{time.Now(), false}
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	return f, err
}

// wait waits until n runs have ended, and returns when the last one did.
func (f *runFeed) wait(ctx context.Context, n int) (at time.Time, err error) {
	for i := range n {
		select {
		case end := <-f.seen:
			if at = end.at; !end.ok {
				return at, errors.New("a run did not complete")
			}
		case <-ctx.Done():
			return at, fmt.Errorf("%d of %d runs ended: %w", i, n, ctx.Err())
		}
	}
	return at, nil
}

// chainOf are n jobs, each of which needs the one before.
func chainOf(n int, argv ...string) map[string]any {
	jobs := map[string]any{}
	for i := range n {
		job := map[string]any{"command": argv}
		if i > 0 {
			job["needs"] = []string{fmt.Sprintf("j%d", i-1)}
		}
		jobs[fmt.Sprintf("j%d", i)] = job
	}
	return jobs
}

// layers are n times wide jobs: a first one, those that need it, and one that needs all
// of these and that the next first one needs.
func layers(n, wide int) map[string]any {
	jobs, last := map[string]any{}, []string{}
	add := func(key string, needs []string) {
		jobs[key] = map[string]any{"command": []string{program}, "needs": needs}
	}
	for layer := range n {
		first, end := fmt.Sprintf("first%d", layer), fmt.Sprintf("end%d", layer)
		add(first, last)
		var middle []string
		for i := range wide - 2 {
			key := fmt.Sprintf("j%d-%d", layer, i)
			add(key, []string{first})
			middle = append(middle, key)
		}
		add(end, middle)
		last = []string{end}
	}
	return jobs
}
