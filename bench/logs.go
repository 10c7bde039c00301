package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// logs makes one job print a file of many lines, followed live, and then
// sixteen jobs in parallel.
func logs(ctx context.Context, b *bench) ([]row, error) {
	n := b.scale(2_000_000, 400_000)
	var rows []row
	for _, c := range []struct {
		name string
		jobs int
	}{{"logs, 1 job", 1}, {"logs, 16 jobs", 16}} {
		r, err := b.logRow(ctx, n/c.jobs, c.jobs)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.name, err)
		}
		r.Scenario = c.name
		rows = append(rows, r)
	}
	return rows, nil
}

func (b *bench) logRow(ctx context.Context, n, jobs int) (r row, err error) {
	text, err := b.text(n)
	if err != nil {
		return r, err
	}
	defer os.Remove(text)
	out := filepath.Join(b.dir, "limit-")
	command := []string{"-out", out, "lines"}
	for range jobs {
		command = append(command, "cat "+text)
	}
	var s series
	for turn := range b.turns {
		var seconds []float64
		for range 3 { // it takes a fifth of the time and varies more
			limit, err := b.limit(ctx, command...)
			if err != nil {
				return r, err
			}
			seconds = append(seconds, limit.Seconds)
		}
		s.limit = append(s.limit, float64(n*jobs)/quantile(seconds, 0.5))
		took, err := b.logged(ctx, execute("/bin/cat", text), text, n, jobs, turn == 0)
		if err != nil {
			return r, err
		}
		s.hodei = append(s.hodei, float64(n*jobs)/took.Seconds())
	}
	for i := range jobs {
		err = errors.Join(err, os.Remove(out+strconv.Itoa(i)))
	}
	return s.fill(row{What: fmt.Sprintf("%d × %d lines of 70 bytes, from POST until followed and recorded", jobs, n), Unit: "lines/s",
		AtLeast: 0.30, Aim: 0.6, Note: "the limit reads the same pipes, splits, stamps, encodes, and writes to files"}), err
}

// text makes a file of n different lines of 70 bytes.
func (b *bench) text(n int) (path string, err error) {
	file, err := os.Create(filepath.Join(b.dir, "text"))
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range n {
		fmt.Fprintf(w, "line %08d of the output of a build that compiles and links things\n", i)
	}
	return file.Name(), errors.Join(w.Flush(), file.Close(), os.Chmod(file.Name(), 0o644))
}

// logged makes a fresh Hodei run jobs that print the text, and returns the time from the first
// submission to the last follower's end. By then every follower has received
// every line. The record must have them too, and with verify it must equal the
// text.
func (b *bench) logged(ctx context.Context, job []byte, text string, n, jobs int, verify bool) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	h, done, err := b.fresh(ctx, "--workers", "1", "--worker-capacity", strconv.Itoa(slots))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if _, err := h.followed(ctx, execute(program)); err != nil { // warm up
		return 0, err
	}
	stop := b.startProfile(ctx, h.system, fmt.Sprintf("logs-%d", jobs))
	began := time.Now()
	followers := make([]*follower, jobs)
	g, all := errgroup.WithContext(ctx)
	for i := range jobs {
		g.Go(func() (err error) {
			followers[i], err = h.followed(all, job)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, errors.Join(err, stop())
	}
	for _, f := range followers {
		took = max(took, f.at.Sub(began))
	}
	if err := stop(); err != nil {
		return 0, err
	}
	for _, f := range followers {
		if f.lines != int64(n) {
			return 0, fmt.Errorf("%d of %d lines were followed", f.lines, n)
		}
		if err := h.holds(ctx, f.end.ExecutionID, n); err != nil {
			return 0, err
		}
	}
	if verify {
		err = h.compare(ctx, followers[0].end.ExecutionID, text)
	}
	return took, err
}

// opened submits a command and opens its log.
func (h *hodei) opened(ctx context.Context, body []byte) (*follower, *http.Response, error) {
	answer, err := post(ctx, h.base+"/api/v1/execute", body)
	if err != nil {
		return nil, nil, err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return nil, nil, err
	}
	f := &follower{url: streamURL(h.base, made.ID)}
	resp, err := f.open(ctx)
	return f, resp, err
}

// followed submits a command and follows its log to the end.
func (h *hodei) followed(ctx context.Context, body []byte) (*follower, error) {
	f, resp, err := h.opened(ctx, body)
	if err != nil {
		return nil, err
	}
	return f, f.read(ctx, resp)
}

// holds verifies that the record has this many lines of an execution.
func (h *hodei) holds(ctx context.Context, id string, n int) error {
	conn, err := pgx.Connect(ctx, h.database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var lines, last int64
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(last_sequence - first_sequence + 1), 0)::bigint, coalesce(max(last_sequence), 0)
		FROM execution_logs WHERE execution_id = $1`, bare(id)).Scan(&lines, &last)
	if err == nil && (lines != int64(n) || last != int64(n)) {
		err = fmt.Errorf("%s: %d lines are recorded, the last is %d, of %d", id, lines, last, n)
	}
	return err
}

// compare verifies that the recorded log equals the text.
func (h *hodei) compare(ctx context.Context, id, text string) error {
	want, err := os.ReadFile(text)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/api/v1/executions/"+id+"/logs?timestamps=false", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/plain")
	resp, err := streams.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s: the log of %d bytes is not the text of %d", id, len(got), len(want))
	}
	return err
}
