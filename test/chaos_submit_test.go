//go:build linux

package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// accepted is work that was answered with an execution's id.
type accepted struct {
	work
	id    string
	tries int
}

// ledger is the view of the users: their requests and the answers.
type ledger struct {
	mu        sync.Mutex
	byID      map[string]accepted
	byKey     map[string]accepted
	rejected  map[string]bool                  // by key: answered that no worker was free
	cancelled map[string]hodei.ExecutionStatus // the status in the 202 of a cancel
	// internal are the answers with an internal error.
	internal []string

	backlog atomic.Int64 // how many executions wait, as last read from the record
	cancels sync.WaitGroup
	follow  chan string // some ids, for idle followers
}

func newLedger() *ledger {
	return &ledger{
		byID: map[string]accepted{}, byKey: map[string]accepted{}, rejected: map[string]bool{}, cancelled: map[string]hodei.ExecutionStatus{},
		follow: make(chan string), // only a waiting follower receives one
	}
}

func (l *ledger) accept(a accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID[a.id], l.byKey[a.key] = a, a
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

var impatient = &http.Client{Timeout: 15 * time.Second}

// try makes a request that may fail.
func (w *arena) try(method, url, body string, header http.Header) (int, object, error) {
	req, err := http.NewRequestWithContext(w.ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := impatient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var out object
	return resp.StatusCode, out, json.Unmarshal(raw, &out)
}

// mostWaiting is the queue length above which most users pause.
const mostWaiting = 40

// submit keeps submitting work until ctx is done, with pauses while more than
// most waits. It repeats each request with its key until it is answered.
func (w *arena) submit(ctx context.Context, l *ledger, r *rand.Rand, name string, newWork func(r *rand.Rand, key string) work, gap time.Duration, most int64) {
	nc := w.connect()
	for n := 1; ctx.Err() == nil; n++ {
		if l.backlog.Load() > most {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		work := newWork(r, fmt.Sprintf("w-%s-%d", name, n))
		if a, ok := w.insist(l, r, nc, work); ok {
			l.accept(a)
			if a.cancel || r.IntN(25) == 0 {
				delay := time.Duration(0)
				if a.kind != "cancelled at once" {
					delay = time.Duration(r.IntN(4000)) * time.Millisecond
				}
				edge := r.IntN(len(w.edges))
				l.cancels.Go(func() { w.cancel(l, a, delay, edge) })
			}
			select {
			case l.follow <- a.id:
			default:
			}
		}
		pause(ctx, time.Duration(r.Int64N(int64(2*gap))))
	}
}

// insist submits to either edge until there is an answer.
func (w *arena) insist(l *ledger, r *rand.Rand, nc *nats.Conn, work work) (accepted, bool) {
	for tries := 1; w.ctx.Err() == nil; tries++ {
		status, reply, err := w.ask(r, nc, work)
		id, _ := reply["id"].(string)
		if id == "" {
			id, _ = reply["execution_id"].(string)
		}
		switch {
		case err == nil && status < 300 && id != "":
			return accepted{work, id, tries}, true
		case err == nil && status == 429 && work.reject:
			l.mu.Lock()
			l.rejected[work.key] = true
			l.mu.Unlock()
			return accepted{}, false
		case err == nil && (status < 500 || reply["error"] == nil):
			w.flaw("", "work %s is answered %d %v", work.key, status, reply)
			return accepted{}, false
		case err == nil && status == 500:
			l.mu.Lock()
			l.internal = append(l.internal, fmt.Sprintf("%s: %v", work.key, reply))
			l.mu.Unlock()
		}
		pause(w.ctx, time.Duration(100+r.IntN(400))*time.Millisecond)
	}
	return accepted{}, false
}

func (w *arena) ask(r *rand.Rand, nc *nats.Conn, work work) (int, object, error) {
	subject, path := schemas.Execute.Subject, "/api/v1/execute"
	if work.job != "" {
		subject, path = schemas.ExecuteJob.Subject, "/api/v1/jobs/"+work.job+"/execute"
	}
	if work.byNATS {
		return w.request(nc, subject, work.body, work.key)
	}
	return w.post(r, path, string(work.body), work.key)
}

// post makes a request with an idempotency key, unless that is "", at either edge.
func (w *arena) post(r *rand.Rand, path, body, key string) (int, object, error) {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return w.try("POST", w.edges[r.IntN(len(w.edges))]+path, body, header)
}

// request is post over NATS.
func (w *arena) request(nc *nats.Conn, subject string, body []byte, key string) (int, object, error) {
	reply, err := nc.RequestMsg(&nats.Msg{Subject: subject, Data: body, Header: nats.Header{schemas.HeaderIdempotencyKey: {key}}}, 12*time.Second)
	if err != nil {
		return 0, nil, err
	}
	var out object
	if err := json.Unmarshal(reply.Data, &out); err != nil {
		return 0, nil, err
	}
	status := 200
	if code := reply.Header.Get("Nats-Service-Error-Code"); code != "" {
		_, err = fmt.Sscan(code, &status)
	}
	return status, out, err
}

// cancel requests the end of an execution until it is answered.
func (w *arena) cancel(l *ledger, a accepted, after time.Duration, edge int) {
	for pause(w.ctx, after); w.ctx.Err() == nil; pause(w.ctx, 500*time.Millisecond) {
		edge = (edge + 1) % len(w.edges)
		status, reply, err := w.try("POST", w.edges[edge]+"/executions/"+a.id+"/cancel", "", nil)
		if err != nil || status >= 500 {
			continue
		}
		switch status {
		case 202:
			status, _ := reply["status"].(string)
			l.mu.Lock()
			l.cancelled[a.id] = hodei.ExecutionStatus(status)
			l.mu.Unlock()
		case 409: // ended
		default:
			w.flaw(a.id, "its cancel is answered %d %v", status, reply)
		}
		return
	}
}

// watchBacklog keeps submitters from growing the queue without bounds.
func (w *arena) watchBacklog(ctx context.Context, l *ledger) {
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		var n int64
		if err := w.db.QueryRow(asking, `SELECT count(*) FROM executions WHERE status = 'PENDING'`).Scan(&n); err == nil {
			l.backlog.Store(n)
		}
		cancel()
		pause(ctx, 250*time.Millisecond)
	}
}
