package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// rate is the lines a second of a steady job.
const rate = 1000

// clock reads the machine's monotonic clock, which the command reads too.
func clock() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // every Linux has this clock
	return now.Nano()
}

// age returns how long ago a line was written, in milliseconds, by the time in
// the line.
func age(data []byte, now int64) (float64, error) {
	_, text, found := bytes.Cut(data, []byte(`"line":"`))
	digits, _, _ := bytes.Cut(text, []byte(" "))
	written, err := strconv.ParseInt(string(digits), 10, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("%s has no time", data)
	}
	return milliseconds(time.Duration(now - written)), nil
}

// lineLatency follows a job that prints steadily.
func lineLatency(ctx context.Context, b *bench) (rows []row, err error) {
	n := rate * b.scale(10, 4)
	h, done, err := b.fresh(ctx, "--workers", "1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	var medians, tails series
	var last []float64
	for range b.turns {
		trips, err := roundTrips(ctx, h.nats, rate)
		if err != nil {
			return nil, err
		}
		if last, err = h.ages(ctx, b, n); err != nil {
			return nil, err
		}
		for at, s := range map[float64]*series{0.5: &medians, 0.99: &tails} {
			s.limit, s.hodei = append(s.limit, quantile(trips, at)), append(s.hodei, quantile(last, at))
		}
	}
	r := row{Scenario: "line latency", Unit: "ms", Lower: true, Absolute: true}
	median, tail := r, r
	median.What = "line written → seen by a follower, 1,000 lines/s, p50"
	median.Note = "the limit is a round trip through NATS on the loopback"
	median.Plot = histogram(last, "ms from written to seen")
	tail.What, tail.AtLeast, tail.Aim = "line written → seen by a follower, 1,000 lines/s, p99", 50, 15
	return []row{medians.fill(median), tails.fill(tail)}, nil
}

// ages makes a job print n lines and returns the age of each when it was
// received.
func (h *hodei) ages(ctx context.Context, b *bench, n int) (ages []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	f, resp, err := h.opened(ctx, execute(b.limits, "-n", strconv.Itoa(n), "-rate", strconv.Itoa(rate), "emit"))
	if err != nil {
		return nil, err
	}
	var wrong error
	f.line = func(data []byte, _ time.Time) {
		ms, err := age(data, clock())
		ages, wrong = append(ages, ms), errors.Join(wrong, err)
	}
	err = errors.Join(f.read(ctx, resp), wrong)
	if err == nil && len(ages) != n {
		err = fmt.Errorf("%d of %d lines were seen", len(ages), n)
	}
	return ages, err
}

// roundTrips makes n requests, rate a second, and returns how long each answer
// took, in milliseconds.
func roundTrips(ctx context.Context, url string, n int) (trips []float64, err error) {
	asking, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer asking.Close()
	answering, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer answering.Close()
	_, err = answering.Subscribe("bench.echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }) // an error shows in the request
	if err == nil {
		err = answering.Flush()
	}
	for i := 0; i < n && err == nil; i++ {
		began := time.Now()
		_, err = asking.RequestWithContext(ctx, "bench.echo", []byte("a line"))
		trips = append(trips, milliseconds(time.Since(began)))
		time.Sleep(time.Until(began.Add(time.Second / rate)))
	}
	return trips, err
}

// crowd makes many followers follow one execution.
func crowd(ctx context.Context, b *bench) ([]row, error) {
	n := rate * b.scale(5, 3)
	var rows []row
	sizes := []int{1000, 5000}
	if b.short {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		var whole, pace, tails []float64
		resumed := 0
		for range b.turns {
			c, err := b.gathered(ctx, size, n)
			if err != nil {
				return rows, fmt.Errorf("%d followers: %w", size, err)
			}
			if c.err != nil {
				fmt.Fprintf(os.Stderr, "a follower of %d: %v\n", size, c.err)
			}
			whole, tails = append(whole, float64(size-c.failed)/float64(size)), append(tails, quantile(c.ages, 0.99))
			pace = append(pace, float64(n)/rate/c.took.Seconds())
			resumed += c.resumed
		}
		what := fmt.Sprintf("%d followers of one execution, 1,000 lines/s: ", size)
		rows = append(rows,
			row{Scenario: "followers", What: what + "share that saw every line", Unit: "", Hodei: spreadOf(whole), AtLeast: 1, Aim: 1,
				Note: fmt.Sprintf("%d lines; %d connections in all were cut and taken up again", n, resumed)},
			row{Scenario: "followers", What: what + "pace kept", Unit: "× real time", Hodei: spreadOf(pace)},
			row{Scenario: "followers", What: what + "line seen, p99", Unit: "ms", Lower: true, Hodei: spreadOf(tails)})
	}
	return rows, nil
}

// gathering is the result of the followers of one execution.
type gathering struct {
	took    time.Duration // from the first line until the last follower's end
	failed  int
	err     error // the error of the first failed one
	resumed int
	ages    []float64 // of the lines of a few followers

	lines int64 // that each has to see
	mu    sync.Mutex
	all   sync.WaitGroup
}

// watch reads a follower to its end. The ages of the lines count if it is sampled.
func (c *gathering) watch(f *follower, read func() error, sampled bool) {
	if sampled {
		f.line = func(data []byte, _ time.Time) {
			if ms, err := age(data, clock()); err == nil {
				c.mu.Lock()
				c.ages = append(c.ages, ms)
				c.mu.Unlock()
			}
		}
	}
	c.all.Go(func() {
		err := read()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resumed += f.resumed
		if err == nil && f.lines != c.lines {
			err = fmt.Errorf("%d of %d lines", f.lines, c.lines)
		}
		if err == nil {
			return
		}
		if c.failed++; c.failed == 1 {
			c.err = err
			return
		}
		c.err = fmt.Errorf("%d failed, one of them: %w", c.failed, err)
	})
}

func (b *bench) gathered(ctx context.Context, size, n int) (c *gathering, err error) {
	c = &gathering{lines: int64(n)}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	hold, err := b.newFifo("hold", false)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, hold.close()) }()
	h, done, err := b.fresh(ctx, "--workers", "1")
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, done()) }()
	first, resp, err := h.opened(ctx, execute("/bin/sh", "-c",
		fmt.Sprintf("read word <%s; exec %s -n %d -rate %d emit", hold.path, b.limits, n, rate)))
	if err != nil {
		return c, err
	}
	c.watch(first, func() error { return first.read(ctx, resp) }, true)
	for i := 1; i < size; i++ {
		f := &follower{url: first.url}
		resp, err := f.open(ctx)
		if err != nil {
			return c, fmt.Errorf("follower %d: %w", i, err)
		}
		c.watch(f, func() error { return f.read(ctx, resp) }, i%(size/10) == 0)
	}
	began := time.Now()
	if err := hold.release(); err != nil {
		return c, err
	}
	c.all.Wait()
	c.took = time.Since(began)
	return c, nil
}
