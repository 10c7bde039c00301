package worker

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// resendTick is how often chunks are looked at that may have to be sent again,
// wantedPause the least time between two answers to execution.wanted, to which
// every NATS client may publish.
const (
	resendTick  = 500 * time.Millisecond
	wantedPause = 2 * time.Second
)

// patience is the backoff of everything that is tried again until it works.
func patience() backoff.RetryOption {
	return backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second,
	})
}

// report tells the end of a run until it is recorded, or cannot be: the record
// has decided otherwise. It gives up when ctx is done.
func (w *Worker) report(ctx context.Context, r *run, end hodei.Outcome) {
	log := w.log.With("execution_id", r.req.ExecutionID)
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		req := schemas.FinishRequest{ExecutionID: r.req.ExecutionID, WorkerID: w.id, Outcome: end}
		req.Free, req.Word = w.slots.current()
		answer, err := rpc.Call(ctx, w.cfg.NATS, schemas.FinishExecution, req)
		switch {
		case errors.Is(err, hodei.Conflict), errors.Is(err, hodei.NotFound), errors.Is(err, hodei.Invalid):
			return struct{}{}, backoff.Permanent(err)
		case err != nil:
			return struct{}{}, err
		case len(answer.Missing) > 0: // a chunk is only forgotten when it is confirmed
			log.Error("recorded lines are missing", "missing", answer.Missing)
			return struct{}{}, backoff.RetryAfter(30)
		}
		return struct{}{}, nil
	}, patience(), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, in time.Duration) {
		log.Debug("end not recorded yet", "again_in", in, "err", err)
	}))
	switch {
	case err == nil:
		log.Info("execution ended", "status", end.Status, "lines", end.LogCount)
	case ctx.Err() == nil:
		log.Warn("end not recorded: dropped", "err", err)
	}
}

// sendChunk publishes lines without waiting for anything: that they are
// stored is heard on execution.stored.
func (w *Worker) sendChunk(id hodei.ExecutionID, first, last int64, text packed.Text) error {
	if !w.cfg.NATS.IsConnected() {
		return nats.ErrDisconnected
	}
	header := nats.Header{
		schemas.HeaderWorker: []string{w.id.String()},
		schemas.HeaderFirst:  []string{strconv.FormatInt(first, 10)},
		schemas.HeaderLast:   []string{strconv.FormatInt(last, 10)},
	}
	if text.Size > 0 {
		header[schemas.HeaderPacked] = []string{strconv.Itoa(text.Size)}
	}
	return w.cfg.NATS.PublishMsg(&nats.Msg{Subject: schemas.LogSubject(id), Header: header, Data: text.Lines})
}

// stored hears which chunks the record has.
func (w *Worker) stored(msg *nats.Msg) {
	var said schemas.Stored
	if err := json.Unmarshal(msg.Data, &said); err != nil {
		w.log.Warn("stored: not understood", "subject", msg.Subject, "err", err)
		return
	}
	for _, span := range said.Spans {
		if r := w.slots.get(span.ExecutionID); r != nil {
			r.journal.confirm(span.First, span.Last)
		}
	}
}

// resend sends chunks again that are not confirmed in time, and all of them at
// once when NATS is back or they are asked for, until ctx is done.
func (w *Worker) resend(ctx context.Context) {
	up := w.cfg.NATS.StatusChanged(nats.CONNECTED)
	defer w.cfg.NATS.RemoveStatusListener(up)
	wanted := make(chan *nats.Msg, 1) // one that has not been answered stands for all
	sub, err := w.cfg.NATS.ChanSubscribe(schemas.LogsWantedSubject, wanted)
	if err != nil {
		w.log.Warn("not heard when logs are wanted", "err", err) // a closed connection
		return
	}
	defer sub.Unsubscribe()
	tick := time.NewTicker(resendTick)
	defer tick.Stop()
	var answered time.Time // when chunks were last sent again because they were wanted
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
			select {
			case w.reconnected <- struct{}{}:
			default:
			}
		}
		if !w.cfg.NATS.IsConnected() {
			continue
		}
		for _, r := range w.slots.all() {
			r.journal.resend(time.Now(), again)
		}
	}
}
