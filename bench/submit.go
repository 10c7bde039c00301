package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei/schemas"
)

// submitters is the number of concurrent clients, the same for Hodei and every
// peer.
const submitters = 64

// each calls submit n times, submitters in parallel.
func each(ctx context.Context, n int, submit func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var begun atomic.Int64
	for range submitters {
		g.Go(func() error {
			for begun.Add(1) <= int64(n) && ctx.Err() == nil {
				if err := submit(ctx); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// web is an HTTP client that keeps a connection for each submitter.
var web = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * submitters, IdleConnTimeout: time.Minute}}

// post sends a JSON body and returns the answer.
func post(ctx context.Context, url string, body []byte) ([]byte, error) {
	return send(ctx, http.MethodPost, url, body, nil)
}

// send is post with another method, or with headers.
func send(ctx context.Context, method, url string, body []byte, headers map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
	}
	return answer, err
}

// overREST submits a body to a route, such as POST /execute.
func overREST(base, path string, body []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := post(ctx, base+"/api/v1"+path, body)
		return err
	}
}

// overNATS submits a body to an operation's subject.
func overNATS(nc *nats.Conn, subject string, body []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		reply, err := nc.RequestWithContext(ctx, subject, body)
		if err == nil && reply.Header.Get("Nats-Service-Error") != "" {
			err = fmt.Errorf("%s: %s", subject, reply.Data)
		}
		return err
	}
}

// execute returns the body that executes a command.
func execute(argv ...string) []byte {
	body, err := json.Marshal(map[string]any{"command": argv})
	if err != nil {
		panic(err) // strings are JSON
	}
	return body
}

// job creates a pipeline with one job that runs a command and returns the job's
// id.
func job(ctx context.Context, base string, argv ...string) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	for _, step := range []struct {
		path string
		body func() map[string]any
	}{
		{"/pipelines", func() map[string]any { return map[string]any{"name": "bench"} }},
		{"/jobs", func() map[string]any { return map[string]any{"pipeline_id": made.ID, "command": argv} }},
	} {
		body, err := json.Marshal(step.body())
		if err != nil {
			return "", err
		}
		answer, err := post(ctx, base+"/api/v1"+step.path, body)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return "", err
		}
	}
	return made.ID, nil
}

// ends follows the event feed and counts ended executions.
type ends struct {
	nc   *nats.Conn
	seen chan time.Time
}

// followEnds starts counting; it waits for at most most ends.
func followEnds(url string, most int) (*ends, error) {
	nc, err := nats.Connect(url, nats.Name("bench"))
	if err != nil {
		return nil, err
	}
	e := &ends{nc: nc, seen: make(chan time.Time, most+submitters)}
	sub, err := nc.Subscribe(schemas.EventSubjects, func(m *nats.Msg) {
		for _, word := range [][]byte{completed, failed} {
			if bytes.Contains(m.Data, word) {
				e.seen <- time.Now()
			}
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = nc.Flush()
	}
	return e, err
}

var (
	completed = []byte(`"type":"` + schemas.EventCompleted + `"`)
	failed    = []byte(`"type":"` + schemas.EventFailed + `"`)
)

// wait returns the times at which n executions ended.
func (e *ends) wait(ctx context.Context, n int) ([]time.Time, error) {
	at := make([]time.Time, 0, n)
	for len(at) < n {
		select {
		case t := <-e.seen:
			at = append(at, t)
		case <-ctx.Done():
			return at, fmt.Errorf("%d of %d executions ended: %w", len(at), n, ctx.Err())
		}
	}
	return at, nil
}
