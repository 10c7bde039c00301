package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// streams answers requests for logs with lines as they come. When the edge
// stops, so do the feeds, and with them the streams.
type streams struct {
	cfg     Config
	feeds   *feeds
	metrics *metrics
}

// selection is what a client wants of a log.
type selection struct {
	schemas.GetLogsRequest
	Follow bool `json:"follow"`

	filter hodei.LogFilter
	after  int64 // the sequence to go on after; -1 for none
}

// handler answers an operation on logs in the format that choose returns.
func (s *streams) handler(op *schemas.Op, choose chooser) http.HandlerFunc {
	var more []schemas.Field
	if op == schemas.GetLogs.Op {
		more = []schemas.Field{{Name: "follow", In: "query", Type: reflect.TypeFor[bool]()}}
	}
	bind := newBinder(op, more...)
	return func(w http.ResponseWriter, r *http.Request) {
		want, err := s.selection(r, bind)
		if err != nil {
			refuse(w, r, err)
			return
		}
		ctx := r.Context()
		feed, release := s.feeds.get(want.ID)
		defer release()
		now, err := feed.Now(ctx)
		if err != nil {
			refuse(w, r, err)
			return
		}
		if rec, ok := w.(*recorder); ok {
			rec.stream = true
		}
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		out := newOutlet(w, choose(r, want.LogOptions), want, s.cfg.KeepAlive, s.metrics.lines)
		defer out.close()
		if err := out.copy(ctx, feed, now); err != nil && ctx.Err() == nil {
			s.cfg.Log.DebugContext(ctx, "stream cut", "execution_id", want.ID, "request_id", rpc.RequestID(ctx), "err", err)
		}
	}
}

// selection reads the options and has them validated by the service that owns
// logs, which also knows whether the execution exists.
func (s *streams) selection(r *http.Request, bind binder) (want selection, err error) {
	fields, err := bind.parameters(r)
	if err != nil {
		return want, err
	}
	options, err := merge(nil, fields)
	if err != nil {
		return want, err
	}
	if follow := fields["follow"]; len(follow) > 0 && follow[0] == '"' {
		return want, hodei.InvalidField("follow", "boolean required")
	}
	delete(fields, "follow")
	if fields["limit"] == nil {
		fields["limit"] = json.RawMessage("1") // the answer is of no interest
	}
	ask, err := merge(nil, fields)
	if err != nil {
		return want, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), rpc.DefaultTimeout)
	defer cancel()
	if _, err := rpc.Forward(ctx, s.cfg.NATS, schemas.GetLogs.Op, schemas.GetLogs.Subject, ask); err != nil {
		return want, err
	}
	if err := json.Unmarshal(options, &want); err != nil {
		return want, hodei.InvalidField("query", err.Error())
	}
	if want.filter, err = want.Filter(time.Now()); err != nil {
		return want, err
	}
	want.after, err = after(want.Cursor, r.Header.Get("Last-Event-ID"))
	return want, err
}

// after is the sequence that a client has had, of which its Last-Event-ID
// tells best; -1 when it tells of none.
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
