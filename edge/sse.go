package edge

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// streams answers requests for logs. When the edge stops, the feeds end, and
// the streams with them.
type streams struct {
	cfg     Config
	feeds   *feeds[hodei.ExecutionID, *follow.Feed]
	runs    *feeds[hodei.RunID, *follow.RunState]
	metrics *metrics
	open    *streamCount
	rooms   rooms
	// decode checks and decodes a schemas.GetLogsRequest, decodeRun a schemas.FollowRunRequest.
	decode, decodeRun func(body []byte, req any) error
}

// selection is the part of a log that a client requested.
type selection struct {
	schemas.GetLogsRequest
	Follow bool

	id     hodei.ExecutionID
	filter hodei.LogFilter
	after  int64 // resume after this sequence; -1 for none
}

// handler answers an operation on logs in the format that choose returns.
func (s *streams) handler(op *schemas.Op, choose chooser) handler {
	var more []schemas.Field
	if op == schemas.GetLogs.Op {
		more = []schemas.Field{{Name: "follow", In: "query", Type: reflect.TypeFor[bool]()}}
	}
	bind := newBinder(op, more...)
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		if _, err := readBody(w, r, false); err != nil { // a GET may have one
			return err
		}
		want, err := s.selection(r, bind)
		if err != nil {
			return err
		}
		leave, err := s.open.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		feed, release := s.feeds.get(want.id)
		defer release()
		now := schemas.LogEnd{ExecutionID: want.id}
		if err := feed.Found(ctx); err != nil {
			return err
		}
		if !want.Follow || !want.All() { // otherwise the progress does not matter
			if now, err = feed.Now(ctx); err != nil {
				return err
			}
		}
		f := choose(r, want.LogOptions)
		out := &logWriter{
			wire: newWire(w, r, f.contentType()), format: f, want: want, keepAlive: s.cfg.KeepAlive, rooms: s.rooms, sent: s.metrics.lines,
		}
		if err := out.copy(ctx, feed, now); err != nil && ctx.Err() == nil {
			s.cfg.Log.DebugContext(ctx, "stream cut", "execution_id", want.id, "request_id", rpc.RequestID(ctx), "err", err)
		}
		return nil
	}
}

// selection reads the options with the same checks as the worker manager, which
// owns logs. Asking it first would cost a follower a round trip while the
// command starts.
func (s *streams) selection(r *http.Request, bind binder) (want selection, err error) {
	fields, err := bind.parameters(r)
	if err != nil {
		return want, err
	}
	if follow := fields["follow"]; len(follow) > 0 {
		if json.Unmarshal(follow, &want.Follow) != nil {
			return want, hodei.InvalidField("follow", "boolean required")
		}
		delete(fields, "follow")
	}
	options, err := merge(nil, fields)
	if err != nil {
		return want, err
	}
	if err := s.decode(options, &want.GetLogsRequest); err != nil {
		return want, err
	}
	if want.filter, err = want.Filter(time.Now()); err != nil {
		return want, err
	}
	if want.after, err = after(want.Cursor, r.Header.Get("Last-Event-ID")); err != nil {
		return want, err
	}
	want.id, err = client.NATS(s.cfg.NATS).ExecutionID(r.Context(), want.ID)
	return want, err
}

// after returns the sequence of the last line that the client received.
// Last-Event-ID has precedence over the cursor; -1 if both are missing.
func after(cursor, lastEventID string) (int64, error) {
	field, text := "cursor", cursor
	if lastEventID != "" {
		field, text = "Last-Event-ID", lastEventID
	}
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, hodei.InvalidField(field, "sequence number required")
	}
	return n, nil
}
