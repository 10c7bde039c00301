package joblog

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// resendTick is how often the shipper looks for chunks whose confirmation is overdue,
// wantedPause the least time between two answers to execution.wanted, to which every
// NATS client may publish.
const (
	resendTick  = 500 * time.Millisecond
	wantedPause = 2 * time.Second
)

// Shipper publishes the chunks of one worker process, and hands the answers of the
// worker manager to their journals.
type Shipper struct {
	NATS        *nats.Conn
	Worker      hodei.WorkerID
	Incarnation string
	Log         *slog.Logger
	Find        func(hodei.ExecutionID) *Journal // nil if there is none
	All         func() []*Journal
}

// Send publishes a chunk without waiting for anything. The worker manager confirms on
// execution.stored.<worker_id> that it is committed.
func (s *Shipper) Send(id hodei.ExecutionID, first, last int64, body logchunk.Body) error {
	if !s.NATS.IsConnected() {
		return nats.ErrDisconnected
	}
	header := nats.Header{
		schemas.HeaderIncarnation: []string{s.Incarnation},
		schemas.HeaderFirst:       []string{strconv.FormatInt(first, 10)},
		schemas.HeaderLast:        []string{strconv.FormatInt(last, 10)},
	}
	if encoding := body.Encoding(); encoding != "" {
		header[schemas.HeaderEncoding] = []string{encoding}
	}
	return s.NATS.PublishMsg(&nats.Msg{Subject: schemas.LogSubject(s.Worker, id), Header: header, Data: body.Lines})
}

// Stored handles a message of execution.stored.<worker_id>: which chunks the record has,
// and which it refuses.
func (s *Shipper) Stored(msg *nats.Msg) {
	var answer schemas.Stored
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		s.Log.Warn("message about stored chunks discarded", "subject", msg.Subject, "err", err)
		return
	}
	for _, span := range answer.Spans {
		if j := s.Find(span.ExecutionID); j != nil {
			j.Confirm(span.First, span.Last)
		}
	}
	for _, span := range answer.Refused {
		if j := s.Find(span.ExecutionID); j != nil {
			j.Refuse(span.First, span.Last)
		}
	}
}

// Resend sends chunks again that are not confirmed in time, and all of them at once when
// NATS is back or execution.wanted requests them, until ctx is done. It calls reconnected
// whenever NATS is back.
func (s *Shipper) Resend(ctx context.Context, reconnected func()) {
	up := s.NATS.StatusChanged(nats.CONNECTED)
	defer s.NATS.RemoveStatusListener(up)
	wanted := make(chan struct{}, 1) // one that has not been answered stands for all
	sub, err := rpc.OnSignalTo(s.NATS, schemas.LogsWantedSubject, wanted)
	if err != nil {
		s.Log.Warn("requests for logs are not received", "err", err) // a closed connection
		return
	}
	defer sub.Unsubscribe()
	tick := time.NewTicker(resendTick)
	defer tick.Stop()
	var answered time.Time // when chunks were last sent again because of a request
	for {
		again, open := false, wanted
		if time.Since(answered) < wantedPause {
			open = nil // one waits in the channel; a tick comes before long
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-open:
			again, answered = true, time.Now()
		case <-up:
			again = true
			reconnected()
		}
		if !s.NATS.IsConnected() {
			continue
		}
		for _, j := range s.All() {
			j.Resend(time.Now(), again)
		}
	}
}
