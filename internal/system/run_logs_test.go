package system_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// frame is a server-sent event.
type frame struct{ id, kind, data string }

// line is the line of a job, "" for another frame.
func (f frame) line(t *testing.T) (l schemas.RunLine) {
	if f.kind == "" && f.data != "" {
		require.NoError(t, json.Unmarshal([]byte(f.data), &l))
	}
	return l
}

func (f frame) job(t *testing.T) (j hodei.RunJob) {
	if f.kind == schemas.FrameJob {
		require.NoError(t, json.Unmarshal([]byte(f.data), &j))
	}
	return j
}

// stream reads the frames of the logs of a run until the end, or until enough returns true.
// The id of a frame is the last one that the client has.
func (r *runs) stream(path, last string, enough func(frame) bool) (frames []frame) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+path, nil)
	require.NoError(r.t, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	require.Equal(r.t, 200, resp.StatusCode)
	require.Equal(r.t, "text/event-stream", resp.Header.Get("Content-Type"))
	f := frame{id: last}
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		name, value, _ := strings.Cut(in.Text(), ": ")
		switch name {
		case "id":
			f.id = value
		case "event":
			f.kind = value
		case "data":
			f.data = value
		case "":
			if in.Text() != "" {
				continue // a comment
			}
			frames = append(frames, f)
			if f.kind == "done" || enough != nil && enough(f) {
				return frames
			}
			f = frame{id: f.id}
		}
	}
	r.t.Fatal("the stream ended without done")
	return nil
}

// byJob are the lines of each job, in order.
func byJob(t *testing.T, frames []frame) map[string][]string {
	lines := map[string][]string{}
	for _, f := range frames {
		if l := f.line(t); l.Job != "" {
			lines[l.Job] = append(lines[l.Job], l.Line)
		}
	}
	return lines
}

const logged = `
slug: logged
jobs:
  build: { command: "seq 1 200" }
  test:
    needs: [build]
    matrix: { values: { n: [1, 2, 3] } }
    command: "for i in $(seq 1 50); do echo $MATRIX_N-$i; done; echo to standard error >&2"
  legs: { needs: [build], command: "echo 'list=[\"x\",\"y\"]' >> $HODEI_OUTPUT" }
  from: { needs: [legs], matrix: { from: needs.legs.outputs.list }, command: "echo $MATRIX_ITEM" }
  flaky:
    needs: [build]
    retries: { max: 2, backoff: 0s }
    command: "echo attempt $HODEI_ATTEMPT; test $HODEI_ATTEMPT = 3"
  never: { needs: [flaky], if: { params.x: "y" }, command: "echo never" }
params: { x: { type: string, default: n } }
`

func wantLogged() map[string][]string {
	want := map[string][]string{"from[item=x]": {"x"}, "from[item=y]": {"y"}, "flaky": {"attempt 1", "attempt 2", "attempt 3"}}
	for i := range 200 {
		want["build"] = append(want["build"], fmt.Sprint(i+1))
	}
	for n := range 3 {
		key := fmt.Sprintf("test[n=%d]", n+1)
		for i := range 50 {
			want[key] = append(want[key], fmt.Sprintf("%d-%d", n+1, i+1))
		}
		want[key] = append(want[key], "to standard error")
	}
	return want
}

// TestTheLogsOfARunAreOneStream: a follower from the start, one that comes afterwards, and the SDK
// over both transports receive each line of each attempt of each job once and in order, the end
// of a job after its last line, and the end of the run last.
func TestTheLogsOfARunAreOneStream(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 2)
	r.apply("logged", logged)
	r.execute("logged")
	live := r.stream("/runs/logged%231/logs/stream?follow=true", "", nil)
	r.ended("logged#1")
	past := r.stream("/api/v1/runs/logged%231/logs/stream", "", nil)
	for name, frames := range map[string][]frame{"live": live, "past": past} {
		requireSameLines(t, wantLogged(), byJob(t, frames), name)
		ended := map[string]hodei.RunJobStatus{}
		for _, f := range frames {
			if j := f.job(t); j.Key != "" && j.Status.Ended() {
				ended[j.Key] = j.Status
			}
			if l := f.line(t); l.Job != "" {
				require.NotContains(t, ended, l.Job, "%s: a line after the end of its job", name)
			}
		}
		require.Equal(t, hodei.JobSkipped, ended["never"], name)
		require.Len(t, ended, 9, name)
		var end schemas.RunLogEnd
		require.NoError(t, json.Unmarshal([]byte(frames[len(frames)-1].data), &end))
		require.Equal(t, hodei.RunCompleted, end.Status)
	}
	at := 0 // history is one job after the other, in the order of the definition
	for _, f := range past {
		if l := f.line(t); l.Job != "" {
			now := strings.Index("build test[n=1] test[n=2] test[n=3] from[item=x] from[item=y] flaky", l.Job)
			require.GreaterOrEqual(t, now, at, l.Job)
			at = now
		}
	}
	for i, c := range r.faces {
		for _, follow := range []bool{true, false} {
			got := map[string][]string{}
			end, err := c.FollowRun(t.Context(), schemas.FollowRunRequest{ID: "logged#1", Follow: follow}, func(f schemas.RunFrame) error {
				if f.Line != nil {
					got[f.Line.Job] = append(got[f.Line.Job], f.Line.Line)
				}
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, hodei.RunCompleted, end.Status)
			requireSameLines(t, wantLogged(), got, fmt.Sprint(i, follow))
		}
		enough := errors.New("enough")
		_, err := c.FollowRun(t.Context(), schemas.FollowRunRequest{ID: "logged#1"}, func(schemas.RunFrame) error { return enough })
		require.ErrorIs(t, err, enough)
		_, err = c.FollowRun(t.Context(), schemas.FollowRunRequest{ID: "logged#7"}, func(schemas.RunFrame) error { return nil })
		require.ErrorIs(t, err, hodei.NotFound)
	}
	r.options()
}

// options are those of the stream.
func (r *runs) options() {
	r.t.Helper()
	lines := byJob(r.t, r.stream("/runs/logged%231/logs/stream?tail=2&timestamps=false&stream=stdout", "", nil))
	require.Equal(r.t, []string{"199", "200"}, lines["build"])
	require.Equal(r.t, []string{"attempt 1", "attempt 2", "attempt 3"}, lines["flaky"], "the tail of each execution")
	require.Equal(r.t, []string{"1-50"}, lines["test[n=1]"], "of the last two lines those of the stream")
	for _, f := range r.stream("/runs/logged%231/logs/stream?timestamps=false&tail=1", "", nil) {
		require.NotContains(r.t, f.line(r.t).Job, "timestamp")
		if f.line(r.t).Job != "" {
			require.NotContains(r.t, f.data, "timestamp")
			require.True(r.t, strings.HasPrefix(f.data, `{"job":"`), f.data)
		}
	}
	for path, field := range map[string]string{"?tail=x": "tail", "?stream=both": "stream", "?since=never": "since", "?nothing=1": "nothing"} {
		status, body := r.ask("GET", "/runs/logged%231/logs/stream"+path)
		require.Equal(r.t, 400, status)
		require.Contains(r.t, body, `"field":"`+field+`"`)
	}
	status, _ := r.ask("GET", "/runs/nothing/logs/stream")
	require.Equal(r.t, 404, status)
	status, _ = r.ask("GET", "/runs/run_018d0c9f-0000-7f0a-a1c3-5d2e7f9b4c61/logs/stream?follow=true")
	require.Equal(r.t, 404, status)
}

func requireSameLines(t *testing.T, want, got map[string][]string, name string) {
	t.Helper()
	for key, lines := range want {
		if strings.HasPrefix(key, "test") { // the two outputs of a command are in no order
			require.ElementsMatch(t, lines, got[key], "%s: %s", name, key)
			continue
		}
		require.Equal(t, lines, got[key], "%s: %s", name, key)
	}
	require.Len(t, got, len(want), name)
}

// TestTheLogsOfARunResume: a follower that is cut off after any frame, again and again, while the run
// goes on and afterwards, receives each line once.
func TestTheLogsOfARunResume(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 2)
	r.apply("logged", logged)
	r.execute("logged")
	var all []frame
	for last := ""; ; { // while the run goes on, in pieces of seven lines
		lines := 0
		piece := r.stream("/runs/logged%231/logs/stream?follow=true", last, func(f frame) bool {
			if f.line(t).Job != "" {
				lines++
			}
			return lines == 7
		})
		all, last = append(all, piece...), piece[len(piece)-1].id
		if piece[len(piece)-1].kind == "done" {
			break
		}
	}
	requireSameLines(t, wantLogged(), byJob(t, all), "pieces")
	for i := 0; i < len(all); i += 23 { // after each of these, once it is over
		if all[i].id == "" {
			continue
		}
		rest := r.stream("/runs/logged%231/logs/stream?follow=true", all[i].id, nil)
		requireSameLines(t, wantLogged(), byJob(t, append(all[:i+1:i+1], rest...)), fmt.Sprint("after ", i))
	}
	ended := r.stream("/runs/logged%231/logs/stream?tail=3", all[len(all)-1].id, nil)
	require.Empty(t, byJob(t, ended), "the position has precedence over the tail")
	for _, f := range all {
		require.Less(t, len(f.id), 80)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/runs/logged%231/logs/stream", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", "12")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
}
