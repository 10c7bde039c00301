package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// distinctTokens is how many callers share the load.
const distinctTokens = 1000

var adminFile = regexp.MustCompile(`admin token +(\S+)`)

// auth compares requests with --auth, each with one of many tokens, with those to a Hodei
// without, in turns. Nothing runs: the difference is that of the requests.
func auth(ctx context.Context, b *bench) (rows []row, err error) {
	plain, done, err := b.fresh(ctx, "--workers", "0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	guarded, closeGuarded, err := b.fresh(ctx, "--workers", "0", "--auth", "--rate-per-address", "0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeGuarded()) }()
	admin, err := guarded.admin(ctx)
	if err != nil {
		return nil, err
	}
	connected, err := b.connecting(ctx, plain, guarded, admin)
	if err != nil {
		return nil, err
	}
	tokens, err := guarded.tokens(ctx, admin)
	if err != nil {
		return nil, err
	}
	pairs := authPairs(plain.base, guarded.base, tokens)
	for turn := range 2 * b.turns {
		for _, p := range pairs {
			if err := p.measure(ctx, turn%2 == 1); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range pairs {
		rows = append(rows, p.rows()...)
	}
	return append(rows, connected), nil
}

// authPair is one request to a system without --auth and to one with it.
type authPair struct {
	what           string
	plain, guarded load
	rate, wait     series
}

func authPairs(plain, guarded string, tokens []string) []*authPair {
	// The executions wait for tomorrow, because the queue would be full within a minute.
	later := fmt.Sprintf(`{"command":["/bin/true"],"not_before":%q}`, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))
	list := load{method: "GET", path: "/pipelines"}
	execute := load{method: "POST", path: "/execute", body: later}
	var pairs []*authPair
	for _, l := range []load{list, execute} {
		p := &authPair{what: l.method + " " + l.path, plain: l, guarded: l}
		p.plain.base, p.guarded.base, p.guarded.tokens = plain, guarded, tokens
		pairs = append(pairs, p)
	}
	return pairs
}

// measure adds one turn: the rate of 32 clients and the latency of one, of both systems.
func (p *authPair) measure(ctx context.Context, guardedFirst bool) error {
	for _, clients := range []int{32, 1} {
		sides := []load{p.plain, p.guarded}
		if guardedFirst {
			slices.Reverse(sides)
		}
		for _, l := range sides {
			if _, _, err := l.run(ctx, 32, 2*time.Second); err != nil { // so that every caller is known, as under load that lasts
				return err
			}
			perSecond, p50, err := l.run(ctx, clients, 5*time.Second)
			if err != nil {
				return err
			}
			s, value := &p.rate, perSecond
			if clients == 1 {
				s, value = &p.wait, p50
			}
			if l.tokens == nil {
				s.limit = append(s.limit, value)
			} else {
				s.hodei = append(s.hodei, value)
			}
		}
	}
	return nil
}

func (p *authPair) rows() []row {
	note := "the limit is Hodei without --auth"
	return []row{
		p.rate.fill(row{Scenario: "auth", What: p.what + " of 32 clients, 1,000 tokens", Unit: "requests/s", AtLeast: 0.9, Aim: 0.95, Note: note}),
		p.wait.fill(row{Scenario: "auth", What: p.what + " of one client, 1,000 tokens, p50", Unit: "ms", Lower: true, AtLeast: 1.1, Aim: 1.05, Note: note}),
	}
}

// admin returns the first token.
func (h *hodei) admin(ctx context.Context) (string, error) {
	found, err := h.await(ctx, adminFile)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(found[1])
	return strings.TrimSpace(string(text)), err
}

// tokens makes the tokens of the callers.
func (h *hodei) tokens(ctx context.Context, admin string) (texts []string, err error) {
	for i := range distinctTokens {
		var made struct{ Token string }
		l := load{base: h.base, method: "POST", path: "/tokens", body: fmt.Sprintf(`{"name":"client %d","role":"developer"}`, i)}
		body, err := l.ask(ctx, http.DefaultClient, admin)
		if err == nil {
			err = json.Unmarshal(body, &made)
		}
		if err != nil {
			return nil, err
		}
		texts = append(texts, made.Token)
	}
	return texts, nil
}

// load is one request, repeated with the tokens in turn.
type load struct {
	base, method, path, body string
	tokens                   []string
}

func (l load) ask(ctx context.Context, c *http.Client, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, l.method, l.base+l.path, bytes.NewReader([]byte(l.body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", l.method, l.path, resp.Status, body)
	}
	return body, err
}

// run has clients make the request for a time, and returns how many there were in a second and
// the median of their durations in ms.
func (l load) run(ctx context.Context, clients int, length time.Duration) (perSecond, p50 float64, err error) {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer c.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	var times []float64
	began := time.Now()
	for client := range clients {
		all.Go(func() {
			var own []float64
			var failed error
			for i := client; time.Since(began) < length && failed == nil; i += clients {
				token, at := "", time.Now()
				if len(l.tokens) > 0 {
					token = l.tokens[i%len(l.tokens)]
				}
				_, failed = l.ask(ctx, c, token)
				own = append(own, time.Since(at).Seconds()*1000)
			}
			mu.Lock()
			defer mu.Unlock()
			times, err = append(times, own...), errors.Join(err, failed)
		})
	}
	all.Wait()
	return float64(len(times)) / time.Since(began).Seconds(), quantile(times, 0.5), err
}
