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
	return []row{{Scenario: "hops", What: "POST → done seen, with a listener on all of NATS, p50", Unit: "ms", Lower: true,
		Hodei: spreadOf([]float64{quantile(t.times["follower: done seen"], 0.5)}), Plot: t.table(n)}}, nil
}

// tap listens to all messages.
type tap struct {
	nc *nats.Conn

	mu      sync.Mutex
	began   time.Time // of the execution in progress, zero between two
	replies map[string]string
	seen    map[string]bool
	times   map[string][]float64 // of each message, since the POST
}

func listen(url string) (*tap, error) {
	nc, err := nats.Connect(url, nats.Name("bench tap"))
	if err != nil {
		return nil, err
	}
	t := &tap{nc: nc, times: map[string][]float64{}}
	_, err = nc.Subscribe(">", func(m *nats.Msg) { t.hear(m, time.Now()) })
	if err == nil {
		err = nc.Flush()
	}
	return t, err
}

func (t *tap) hear(m *nats.Msg, at time.Time) {
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

// note records the first message with a name.
func (t *tap) note(name string, at time.Time) {
	if !t.seen[name] {
		t.seen[name] = true
		t.times[name] = append(t.times[name], milliseconds(at.Sub(t.began)))
	}
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
	began := time.Now()
	if counts {
		t.mu.Lock()
		t.began, t.replies, t.seen = began, map[string]string{}, map[string]bool{}
		t.mu.Unlock()
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
	if err := t.nc.Flush(); err != nil { // all messages have arrived
		return err
	}
	time.Sleep(idle)
	t.mu.Lock()
	defer t.mu.Unlock()
	if counts {
		t.note("client: answered", answered)
		t.note("command: started", started)
		t.note("follower: done seen", f.at)
	}
	t.began = time.Time{}
	return nil
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
