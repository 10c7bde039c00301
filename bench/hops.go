package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

// hops shows where the time of one execution goes: it listens to the NATS
// messages between the POST and the end, and names each by its subject. The
// time between two messages is the work of the sender of the later one,
// including its commit.
func hops(ctx context.Context, b *bench) (rows []row, err error) {
	signal, err := b.newFifo("hop", true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, signal.close()) }()
	h, done, err := b.fresh(ctx, "--workers", "1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	t, err := listen(h.nats)
	if err != nil {
		return nil, err
	}
	defer t.nc.Close()
	argv := []string{"/bin/sh", "-c", "echo >" + signal.path}
	id, err := job(ctx, h.base, argv...)
	if err != nil {
		return nil, err
	}
	n := b.scale(200, 50)
	for i := range 10 + n {
		time.Sleep(idle)
		if err := h.hop(ctx, t, id, signal, i >= 10); err != nil {
			return nil, err
		}
	}
	one := row{Scenario: "hops", What: "POST → done seen, with a listener on all of NATS, p50", Unit: "ms", Lower: true,
		Hodei: spreadOf([]float64{quantile(t.times["follower: done seen"], 0.5)}), Plot: t.table(n)}
	run, err := h.runHops(ctx, b, t)
	return []row{one, run}, err
}

// runHops shows where the time of a run of three jobs in series goes.
func (h *hodei) runHops(ctx context.Context, b *bench, t *tap) (row, error) {
	out := row{Scenario: "hops, run", What: "request → run ended, three jobs in series, with a listener on all of NATS, p50", Unit: "ms", Lower: true}
	if err := h.define(ctx, "three", chainOf(3, program)); err != nil {
		return out, err
	}
	f, err := followRuns(h.nats)
	if err != nil {
		return out, err
	}
	defer f.nc.Close()
	n := b.scale(200, 50)
	t.times, t.numbers = map[string][]float64{}, true
	for i := range 10 + n {
		time.Sleep(idle)
		if err := h.runHop(ctx, t, f, i >= 10); err != nil {
			return out, err
		}
	}
	out.Hodei, out.Plot = spreadOf([]float64{quantile(t.times["client: end seen"], 0.5)}), t.table(n)
	return out, nil
}

// runHop measures one run.
func (h *hodei) runHop(ctx context.Context, t *tap, f *runFeed, counts bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if counts {
		t.begin()
	}
	if err := h.start(ctx, "three"); err != nil {
		return err
	}
	answered := time.Now()
	ended, err := f.wait(ctx, 1)
	if err != nil {
		return err
	}
	return t.end(counts, moment{"client: answered", answered}, moment{"client: end seen", ended})
}

// tap listens to all messages.
type tap struct {
	nc *nats.Conn

	mu      sync.Mutex
	began   time.Time // of the execution in progress, zero between two
	replies map[string]string
	seen    map[string]int
	times   map[string][]float64 // of each message, since the POST
	numbers bool                 // whether repeated messages count, by their number
}

// begin starts the measurement of one execution or run.
func (t *tap) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began, t.replies, t.seen = time.Now(), map[string]string{}, map[string]int{}
}

// moment is what a client has seen.
type moment struct {
	name string
	at   time.Time
}

// end waits for the last messages and ends the measurement, with what the client has seen if it
// counts.
func (t *tap) end(counts bool, seen ...moment) error {
	if err := t.nc.Flush(); err != nil { // all messages have arrived
		return err
	}
	time.Sleep(idle)
	t.mu.Lock()
	defer t.mu.Unlock()
	if counts {
		for _, m := range seen {
			t.note(m.name, m.at)
		}
	}
	t.began = time.Time{}
	return nil
}

func listen(url string) (*tap, error) {
	nc, err := nats.Connect(url, nats.Name("bench tap"))
	if err != nil {
		return nil, err
	}
	t := &tap{nc: nc, times: map[string][]float64{}}
	_, err = nc.Subscribe(">", func(m *nats.Msg) { t.receive(m, time.Now()) })
	if err == nil {
		err = nc.Flush()
	}
	return t, err
}

func (t *tap) receive(m *nats.Msg, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return
	}
	name := subjectName(m.Subject)
	if asked, ok := t.replies[m.Subject]; ok {
		name = "reply to " + asked
	} else if strings.HasPrefix(m.Subject, "_INBOX") || strings.HasPrefix(m.Subject, "$") {
		return
	}
	if m.Reply != "" {
		t.replies[m.Reply] = name
	}
	if _, kind, ok := bytes.Cut(m.Data, []byte(`{"type":"`)); ok {
		kind, _, _ = bytes.Cut(kind, []byte(`"`))
		name += " " + string(kind[bytes.LastIndexByte(kind, '.')+1:])
	}
	t.note(name, at)
}

// note records the first message with a name, or every one with its number.
func (t *tap) note(name string, at time.Time) {
	t.seen[name]++
	if n := t.seen[name]; n > 1 && !t.numbers {
		return
	} else if n > 1 {
		name += fmt.Sprintf(" %d", n)
	}
	t.times[name] = append(t.times[name], milliseconds(at.Sub(t.began)))
}

// subjectName removes the parts of a subject that differ between executions.
func subjectName(subject string) string {
	parts := strings.Split(subject, ".")
	if !strings.HasPrefix(subject, schemas.Root) && len(parts) > 2 {
		parts = parts[:2]
	}
	return strings.Join(parts, ".")
}

// hop measures one execution.
func (h *hodei) hop(ctx context.Context, t *tap, id string, signal *fifo, counts bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if counts {
		t.begin()
	}
	answer, err := post(ctx, h.base+"/api/v1/jobs/"+id+"/execute", nil)
	answered := time.Now()
	if err != nil {
		return err
	}
	f, err := h.followAnswer(ctx, answer)
	if err != nil {
		return err
	}
	started, err := signal.wait(ctx)
	if err != nil {
		return err
	}
	return t.end(counts, moment{"client: answered", answered}, moment{"command: started", started}, moment{"follower: done seen", f.at})
}

// table lists the messages that most executions have, in order of their median
// time.
func (t *tap) table(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	type line struct {
		name string
		at   float64
	}
	var lines []line
	for name, times := range t.times {
		if len(times) > n/2 {
			lines = append(lines, line{name, quantile(times, 0.5)})
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	var text strings.Builder
	before := 0.0
	for _, l := range lines {
		fmt.Fprintf(&text, "  %7.2f ms  +%5.2f  %-40s %s\n", l.at, l.at-before, strings.Repeat("▪", int((l.at-before)*10)), l.name)
		before = l.at
	}
	return text.String()
}
