package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// follower reads the log of an execution as server-sent events, and verifies
// that no line is missing, duplicated or out of order.
type follower struct {
	url string
	// line, if set, receives each line's JSON and the time at which it was
	// read.
	line func(data []byte, at time.Time)

	lines   int64 // so far; the next one has this number plus 1
	resumed int   // number of reconnects
	end     *logEnd
	at      time.Time // when the end was read
	ending  bool
	rest    []byte
	next    []byte // start of the next line's frame
}

// logEnd is the data of the event done.
type logEnd struct {
	ExecutionID string `json:"execution_id"`
	Status      string `json:"status"`
	ExitCode    *int   `json:"exit_code"`
	LogCount    int64  `json:"log_count"`
}

// streams is an HTTP client without a limit of connections.
var streams = &http.Client{Transport: &http.Transport{
	DisableCompression: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ReadBufferSize: 64 << 10,
}}

// open requests the log and returns when the answer has begun.
func (f *follower) open(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, err
	}
	if f.lines > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(f.lines, 10))
	}
	resp, err := streams.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("GET %s: %s", f.url, resp.Status)
	}
	return resp, err
}

// read follows to the end. After a lost connection it reconnects and resumes
// after the last line, like an EventSource.
func (f *follower) read(ctx context.Context, resp *http.Response) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if wrong := f.take(buf[:n], time.Now()); wrong != nil {
			resp.Body.Close()
			return wrong
		}
		if f.end != nil {
			resp.Body.Close()
			return f.check()
		}
		if err == nil {
			continue
		}
		resp.Body.Close()
		if ctx.Err() != nil || f.resumed == 100 {
			return fmt.Errorf("after %d lines: %w", f.lines, err)
		}
		f.resumed, f.rest = f.resumed+1, nil
		if resp, err = f.open(ctx); err != nil {
			return err
		}
	}
}

// follow opens and reads.
func (f *follower) follow(ctx context.Context) error {
	resp, err := f.open(ctx)
	if err != nil {
		return err
	}
	return f.read(ctx, resp)
}

// take reads frames: an id line, a data line, an empty line.
func (f *follower) take(p []byte, at time.Time) error {
	for {
		if len(f.rest) == 0 {
			p = f.expected(p, at)
		}
		line, after, whole := bytes.Cut(p, []byte("\n"))
		if !whole {
			f.rest = append(f.rest, p...)
			return nil
		}
		if len(f.rest) > 0 {
			line = append(f.rest, line...)
		}
		if err := f.field(line, at); err != nil {
			return err
		}
		f.rest, p = f.rest[:0], after
	}
}

// expected consumes frames of consecutive lines and returns the rest. In a
// flood, the follower must use little of the machine.
func (f *follower) expected(p []byte, at time.Time) []byte {
	for !f.ending {
		f.next = strconv.AppendInt(append(f.next[:0], "id: "...), f.lines+1, 10)
		f.next = append(f.next, "\ndata: "...)
		data, ok := bytes.CutPrefix(p, f.next)
		end := bytes.IndexByte(data, '\n')
		if !ok || end < 0 || end+1 == len(data) || data[end+1] != '\n' {
			break
		}
		if f.line != nil {
			f.line(data[:end], at)
		}
		f.lines++
		p = data[end+2:]
	}
	return p
}

func (f *follower) field(line []byte, at time.Time) error {
	switch {
	case bytes.HasPrefix(line, []byte("id: ")):
		n, err := strconv.ParseInt(string(line[4:]), 10, 64)
		if err != nil || n != f.lines+1 {
			return fmt.Errorf("%q follows line %d", line, f.lines)
		}
		f.lines = n
	case bytes.Equal(line, []byte("event: done")):
		f.ending = true
	case f.ending && bytes.HasPrefix(line, []byte("data: ")):
		f.end, f.at = &logEnd{}, at
		return json.Unmarshal(line[6:], f.end)
	case f.line != nil && bytes.HasPrefix(line, []byte("data: ")):
		f.line(line[6:], at)
	}
	return nil
}

func (f *follower) check() error {
	if f.end.Status != "COMPLETED" || f.end.LogCount != f.lines {
		return fmt.Errorf("%s ended %s with %d lines, of which %d were seen", f.end.ExecutionID, f.end.Status, f.end.LogCount, f.lines)
	}
	return nil
}

func streamURL(base, id string) string {
	return base + "/api/v1/executions/" + id + "/logs/stream?follow=true"
}

// bare returns an identifier without its prefix, as in the record.
func bare(id string) string {
	_, uuid, _ := strings.Cut(id, "_")
	return uuid
}
