package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

var (
	hostileFor  = flag.Duration("hostile.for", 6*time.Second, "for how long hostile messages are sent")
	hostileSeed = flag.Uint64("hostile.seed", 1, "which; 0 takes some by chance")
)

// TestNoMessageBreaksIt sends hostile messages to every subject, key and stream
// of a running system from several clients. No answer is a 500, nothing panics,
// and afterwards the system works as before.
func TestNoMessageBreaksIt(t *testing.T) {
	seed := *hostileSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: again with -hostile.seed %d -hostile.for %s", seed, seed, *hostileFor)
	s := upBinary(t, hardened(t))
	s.works(t)
	long := s.execute("while :; do echo still here; sleep 0.2; done")
	reading, enough := context.WithCancel(t.Context())
	defer enough()
	for _, stream := range []string{"/api/v1/events?follow=true", "/api/v1/executions/" + long + "/logs/stream?follow=true"} {
		go func() { _, _ = read(reading, s.workerManager+stream) }() // the edge follows what is published
	}
	workers, executions := ids(t, s.workerManager+"/api/v1/workers"), ids(t, s.orchestrator+"/api/v1/executions")
	goroutines, memory := s.metric(t, "go_goroutines"), s.metric(t, "process_resident_memory_bytes")
	end := time.Now().Add(*hostileFor)
	var mu sync.Mutex
	codes := map[string]int{}
	var clients sync.WaitGroup
	for i := range 4 {
		h, err := newHostile(connect(t, s.nats), rand.New(rand.NewPCG(seed, uint64(i))))
		require.NoError(t, err)
		h.workers, h.executions = workers, executions
		clients.Go(func() {
			for time.Now().Before(end) {
				asked, answer, err := h.attack()
				if asked == "" {
					continue
				}
				code := "answered"
				switch {
				case errors.Is(err, nats.ErrNoResponders):
					code = "no responders"
				case assert.NoError(t, err, asked):
					code = answer.Header.Get("Nats-Service-Error-Code")
					assert.NotEqual(t, "500", code, "%s\n%s", asked, answer.Data)
				}
				mu.Lock()
				codes[code]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	t.Logf("answers: %v", codes)
	s.works(t)
	s.ends(t, long)
	s.unharmed(t)
	enough()
	eventually(t, "goroutines end", time.Minute, func() bool { return s.metric(t, "go_goroutines") < goroutines+100 })
	require.Less(t, s.metric(t, "process_resident_memory_bytes"), memory+768<<20)
}

// read reads a stream until it ends or ctx is done.
func read(ctx context.Context, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}

// ends cancels an execution, which hostile messages may have ended or deleted,
// and waits for its end.
func (s *system) ends(t *testing.T, id string) {
	t.Helper()
	status, cancelled := call(t, "POST", s.orchestrator+"/api/v1/executions/"+id+"/cancel", "")
	var e object
	defer func() {
		if t.Failed() {
			t.Logf("cancel: %d %v\n%v", status, cancelled, e)
		}
	}()
	eventually(t, "what ran has ended", time.Minute, func() bool {
		status, e = call(t, "GET", s.orchestrator+"/api/v1/executions/"+id, "")
		return e["completed_at"] != nil || status == 404
	})
}

// works executes a command to its end.
func (s *system) works(t *testing.T) {
	t.Helper()
	var id string
	eventually(t, "a command is accepted", 30*time.Second, func() bool {
		status, e := call(t, "POST", s.workerManager+"/api/v1/execute", `{"command":"true"}`)
		id, _ = e["id"].(string)
		return status == 201
	})
	var e object
	defer func() {
		if t.Failed() {
			t.Logf("%v", e)
		}
	}()
	eventually(t, "the command completes", time.Minute, func() bool {
		_, e = call(t, "GET", s.orchestrator+"/api/v1/executions/"+id, "")
		return e["status"] == "COMPLETED"
	})
}

// unharmed verifies that the process runs and has not panicked.
func (s *system) unharmed(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
		require.FailNow(t, "hodei ended", s.output())
	default:
	}
	require.NotContains(t, s.output(), "panic")
	require.Zero(t, s.metric(t, "hodei_panics_total"))
}

// metric returns the value of a metric without labels.
func (s *system) metric(t *testing.T, name string) float64 {
	t.Helper()
	_, body, _ := request(t, "GET", s.orchestrator+"/metrics", "", nil)
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(body)
	require.NotNil(t, m, name)
	value, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(t, err)
	return value
}

// TestAPriorityOutOfRangeIsRefused: such a priority once ended the scheduler,
// with a header that disabled the validation.
func TestAPriorityOutOfRangeIsRefused(t *testing.T) {
	t.Parallel()
	s := up(t)
	nc := connect(t, s.nats)
	msg := nats.NewMsg(schemas.Schedule.Subject)
	msg.Header["Hodei-Typed"] = []string{"1"}
	for _, priority := range []int{99, 11, -1} {
		msg.Data = fmt.Appendf(nil, `{"execution_id":"exec_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01","brief":true,"job_config":{"priority":%d}}`, priority)
		answer, err := nc.RequestMsg(msg, 30*time.Second)
		require.NoError(t, err)
		require.Equal(t, "400", answer.Header.Get("Nats-Service-Error-Code"), string(answer.Data))
	}
	s.works(t)
	s.unharmed(t)
}

// TestAKeyOfAnotherWorkerIsIgnored: a value that names another worker than
// its key once ended every scheduler when the key expired.
func TestAKeyOfAnotherWorkerIsIgnored(t *testing.T) {
	t.Parallel()
	s := up(t)
	nc := connect(t, s.nats)
	const key = "$KV.WORKERS.worker_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a02"
	value := `{"worker_id":"worker_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a03","type":"shell","status":"AVAILABLE","slots":9,"free":9,` +
		`"running":[],"load":0,"incarnation":"x","revision":1,"version":"9","at":"2026-01-01T00:00:00Z"}`
	for range 3 {
		_, err := nc.Request(key, []byte(value), 30*time.Second)
		require.NoError(t, err)
		gone := nats.NewMsg(key)
		gone.Header["KV-Operation"] = []string{"DEL"}
		_, err = nc.RequestMsg(gone, 30*time.Second)
		require.NoError(t, err)
	}
	s.works(t)
	s.unharmed(t)
}

// TestForgedEventsStallNoWorker for longer than the renewal of a key takes.
func TestForgedEventsStallNoWorker(t *testing.T) {
	t.Parallel()
	s := up(t)
	nc := connect(t, s.nats)
	s.works(t)
	worker, execution := ids(t, s.workerManager+"/api/v1/workers")[0], ids(t, s.orchestrator+"/api/v1/executions")[0]
	_, e := call(t, "GET", s.orchestrator+"/api/v1/executions/"+execution, "")
	e["worker_id"] = worker
	for _, forged := range []string{
		`"free":-1000000000,"revision":50`, `"free":0,"revision":9223372036854775808`, `"free":0,"revision":18446744073709551615`,
		`"free":1000000000,"revision":60`, `"free":0,"revision":90000`,
	} {
		for _, kind := range []string{schemas.EventStarted, schemas.EventCompleted} {
			body := fmt.Sprintf(`{"type":%q,"time":"2026-01-01T00:00:00Z","request_id":"x","execution":%s,%s}`, kind, encoded(t, e), forged)
			require.NoError(t, nc.Publish("execution.event.started."+execution, []byte(body)))
		}
	}
	require.NoError(t, nc.Flush())
	s.works(t)
	s.unharmed(t)
}

// TestWaitingBlocksNoOtherRequest: more requests wait for a worker of a missing
// type than an endpoint processes at once. Others are still answered, and the
// waits end when their clients disconnect.
func TestWaitingBlocksNoOtherRequest(t *testing.T) {
	s := up(t)
	never, soon := s.job(`{"command":"true","type":"none"}`), s.job(`{"command":"true"}`)
	const waits = 1100
	waitingClients, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: waits, DisableKeepAlives: true}}
	var clients sync.WaitGroup
	for range waits {
		clients.Go(func() {
			req, err := http.NewRequestWithContext(waitingClients, "POST", s.orchestrator+"/api/v1/jobs/"+never+"/execute", strings.NewReader(`{"wait_seconds":60}`))
			if !assert.NoError(t, err) {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
			}
		})
	}
	nc := connect(t, s.nats)
	waiting := func() float64 { return s.waiting(t, nc) }
	eventually(t, "they wait", 2*time.Minute, func() bool { return waiting() >= 2*1000 }) // at the orchestrator and at the scheduler
	status, e := call(t, "POST", s.orchestrator+"/api/v1/jobs/"+soon+"/execute", `{"wait_seconds":30}`)
	require.Equal(t, 200, status, e)
	hangUp()
	clients.Wait()
	eventually(t, "the waits end with their clients", 30*time.Second, func() bool { return waiting() == 0 })
	s.works(t)
	s.unharmed(t)
}

// waiting returns how many requests wait at the orchestrator and the scheduler; -1 while one
// of them is not registered, as when a scheduler wins its lost lease again.
func (s *system) waiting(t *testing.T, nc *nats.Conn) (total float64) {
	t.Helper()
	for _, service := range []string{schemas.Orchestrator, schemas.Scheduler} {
		reply, err := nc.Request("$SRV.STATS."+service, nil, 30*time.Second)
		if errors.Is(err, nats.ErrNoResponders) {
			return -1
		}
		require.NoError(t, err)
		for _, e := range decode(t, reply.Data)["endpoints"].([]any) {
			if data, ok := e.(object)["data"].(object); ok && data["waiting"] != nil {
				total += data["waiting"].(float64)
			}
		}
	}
	return total
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	body, err := hodei.JSON(v)
	require.NoError(t, err)
	return body
}
