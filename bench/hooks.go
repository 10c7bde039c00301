package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	hookKey = "a key of the bench"
	// pipelinesOfHooks is the number of repositories that push at the same time.
	pipelinesOfHooks = 20
	// pushSize is about that of a push of two commits.
	pushSize = 8 << 10
)

// webhooks measures how long the sender of a push waits for the answer while pushes arrive at
// a constant rate, and how long after the last one all of them have a run. The runs wait for
// an approval: what they would execute is measured elsewhere.
func webhooks(ctx context.Context, b *bench) ([]row, error) {
	const rate = 500
	var p50, p99, behind series
	for range b.turns {
		answers, after, err := b.pushed(ctx, rate, b.scale(20, 5))
		if err != nil {
			return nil, err
		}
		p50.hodei, p99.hodei = append(p50.hodei, quantile(answers, 0.5)), append(p99.hodei, quantile(answers, 0.99))
		behind.hodei = append(behind.hodei, after)
	}
	what := fmt.Sprintf("push posted → accepted, %d a second to %d pipelines, ", rate, pipelinesOfHooks)
	return []row{
		p99.fill(row{Scenario: "webhooks", What: what + "p99", Unit: "ms", Lower: true, AtLeast: 50, Aim: 25, Note: "GitHub's signature, 8 KiB; one process, synchronous commits"}),
		p50.fill(row{Scenario: "webhooks", What: what + "p50", Unit: "ms", Lower: true}),
		behind.fill(row{Scenario: "webhooks", What: "the last of these pushes accepted → each has a run", Unit: "s", Lower: true}),
	}, nil
}

// pushed posts pushes at a rate for some seconds. It returns how long each took in
// milliseconds, from the time at which it was to be sent, and the seconds from the last
// answer until each push had a run.
func (b *bench) pushed(ctx context.Context, rate, seconds int) (answers []float64, after float64, err error) {
	dir := b.dir + "/hooks-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := b.prepare(ctx, dir); err != nil {
		return nil, 0, err
	}
	h, err := b.up(ctx, dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	urls, err := h.hooked(ctx)
	if err != nil {
		return nil, 0, err
	}
	stop := b.startProfile(ctx, h.system, "webhooks")
	defer func() { err = errors.Join(err, stop()) }()
	answers = make([]float64, rate*seconds)
	g, pushing := errgroup.WithContext(ctx)
	g.SetLimit(1024)
	began := time.Now()
	for i := range answers {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		g.Go(func() error {
			err := push(pushing, urls[i%len(urls)], i)
			answers[i] = float64(time.Since(due)) / float64(time.Millisecond)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	began = time.Now()
	for _, url := range urls {
		if err := h.started(ctx, url); err != nil {
			return nil, 0, err
		}
	}
	return answers, time.Since(began).Seconds(), nil
}

// started waits until no delivery of a hook waits for its run.
func (h *hodei) started(ctx context.Context, url string) error {
	for {
		answer, err := send(ctx, http.MethodGet, url+"/deliveries?status=pending&limit=1", nil, nil)
		if err != nil {
			return err
		}
		var page struct{ Items []json.RawMessage }
		if err := json.Unmarshal(answer, &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// hooked defines the pipelines, and returns the URLs of their hooks.
func (h *hodei) hooked(ctx context.Context) (urls []string, err error) {
	if _, err := send(ctx, http.MethodPut, h.base+"/api/v1/secrets/HOOK_KEY", []byte(`{"value":"`+hookKey+`"}`), nil); err != nil {
		return nil, err
	}
	for i := range pipelinesOfHooks {
		slug := "pushed-" + strconv.Itoa(i)
		jobs := map[string]any{"gate": map[string]any{"approval": map[string]any{"message": "?"}}, "build": map[string]any{"needs": []string{"gate"}, "command": "true"}}
		if err := h.define(ctx, slug, jobs); err != nil {
			return nil, err
		}
		answer, err := post(ctx, h.base+"/api/v1/hooks", []byte(`{"pipeline_id":"`+slug+`","kind":"github","secret":"HOOK_KEY"}`))
		if err != nil {
			return nil, err
		}
		var made struct{ URL string }
		if err := json.Unmarshal(answer, &made); err != nil {
			return nil, err
		}
		urls = append(urls, h.base+made.URL)
	}
	return urls, nil
}

// push posts the nth push.
func push(ctx context.Context, url string, n int) error {
	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","after":"%040x","sender":{"login":"octocat"},"commits":[{"added":["a.go"],"message":%q}]}`,
		n+1, strings.Repeat("word ", pushSize/5))
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write(body)
	answer, err := send(ctx, http.MethodPost, url, body, map[string]string{
		"X-GitHub-Event": "push", "X-GitHub-Delivery": strconv.Itoa(n), "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	})
	if err == nil && !bytes.Contains(answer, []byte(`"PENDING"`)) && !bytes.Contains(answer, []byte(`"STARTED"`)) {
		err = fmt.Errorf("a push was not accepted: %s", answer)
	}
	return err
}
