package workermanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// A batch contains the chunks at hand up to these limits: a single chunk is
// committed at once, many share a commit.
const (
	batchChunks = 256
	batchBytes  = 4 << 20
)

// Chunks that arrive during a commit wait in memory. A chunk over these limits
// is discarded, and its worker sends it again.
const (
	waitingChunks = 16 << 10
	waitingBytes  = 128 << 20
)

// persist commits log chunks in batches as they arrive, and acknowledges them
// to their workers. The instances share the chunks, which they receive from the
// workers directly: each worker keeps a chunk until it is acknowledged, so
// JetStream need not be able to store it. It returns when ctx is done and the
// current batch is committed, or with an error when the subscription fails.
func (m *Manager) persist(ctx context.Context) error {
	incoming := make(chan *nats.Msg, batchChunks)
	sub, err := m.nc.QueueSubscribe(schemas.LogSubjects, schemas.WorkerManager, func(msg *nats.Msg) {
		select {
		case incoming <- msg:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return fmt.Errorf("take in logs: %w", err)
	}
	defer sub.Unsubscribe()
	if err := sub.SetPendingLimits(waitingChunks, waitingBytes); err != nil {
		return fmt.Errorf("take in logs: %w", err)
	}
	up := m.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer m.nc.RemoveStatusListener(up)
	m.wantLogs(ctx)
	var r reader
	for {
		select {
		case <-ctx.Done():
			return nil
		case status := <-up:
			if status == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
			m.wantLogs(ctx)
		case msg := <-incoming:
			if err := m.commit(ctx, gather(msg, incoming), &r); err != nil {
				return err
			}
		}
	}
}

// wantLogs makes the workers resend chunks that they sent while no instance was
// running.
func (m *Manager) wantLogs(ctx context.Context) {
	if err := m.nc.Publish(schemas.LogsWantedSubject, nil); err != nil {
		m.log.WarnContext(ctx, "workers not asked for logs", "err", err) // they resend them after a while
	}
}

// gather takes the waiting messages after the first one, within the limits.
func gather(first *nats.Msg, incoming <-chan *nats.Msg) []*nats.Msg {
	batch, size := []*nats.Msg{first}, len(first.Data)
	for len(batch) < batchChunks && size < batchBytes {
		select {
		case msg := <-incoming:
			batch, size = append(batch, msg), size+len(msg.Data)
		default:
			return batch
		}
	}
	return batch
}

// commit reads the batch, appends it to the record, retrying as long as
// necessary, and then answers the workers.
func (m *Manager) commit(ctx context.Context, batch []*nats.Msg, r *reader) error {
	chunks := make([]postgres.Chunk, 0, len(batch))
	answers := answers{} // by worker
	for _, msg := range batch {
		chunk, err := r.read(msg)
		if err != nil {
			answers.refuse(chunk, err)
			continue
		}
		chunks = append(chunks, chunk)
	}
	// A stop must not lose the batch because of a cancelled context, nor wait
	// for ever for an unavailable database: the workers still have the chunks.
	saving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(5*time.Second, cancel) })()
	if len(chunks) > 0 {
		refused, err := m.save(saving, chunks)
		if err != nil {
			return err
		}
		for i, chunk := range chunks {
			if refused[i] != nil {
				answers.refuse(chunk, refused[i])
				continue
			}
			a := answers.of(chunk.WorkerID)
			a.Spans = append(a.Spans, spanOf(chunk))
		}
	}
	r.warn(ctx, m, answers)
	for worker, a := range answers {
		m.answer(ctx, worker, a.Stored)
	}
	return nil
}

// answers are the answers to the chunks of a batch.
type answers map[hodei.WorkerID]*answer

type answer struct {
	schemas.Stored
	err error // the reason of the first refusal
}

func (a answers) of(worker hodei.WorkerID) *answer {
	if a[worker] == nil {
		a[worker] = &answer{}
	}
	return a[worker]
}

func (a answers) refuse(chunk postgres.Chunk, err error) {
	of := a.of(chunk.WorkerID)
	of.Refused = append(of.Refused, spanOf(chunk))
	if of.err == nil {
		of.err = err
	}
}

func spanOf(c postgres.Chunk) schemas.Span {
	return schemas.Span{ExecutionID: c.ExecutionID, First: c.First, Last: c.Last}
}

// warnEvery is the minimum interval of warnings about refused chunks, so that a
// flood of bad chunks does not flood the log.
const warnEvery = time.Second

// warn counts refused chunks, and logs the first reason.
func (r *reader) warn(ctx context.Context, m *Manager, answers answers) {
	var first *answer
	for _, a := range answers {
		m.refused.Add(int64(len(a.Refused)))
		if len(a.Refused) > 0 {
			first = a
		}
	}
	if first == nil || time.Since(r.warned) < warnEvery {
		return
	}
	r.warned = time.Now()
	m.log.WarnContext(ctx, "log chunks refused", "since_start", m.refused.Load(),
		"execution_id", first.Refused[0].ExecutionID, "first", first.Refused[0].First, "err", first.err)
}

// save appends chunks to the record, retrying until the database accepts them.
// It returns the chunks that the record will never accept; see
// postgres.AppendLogs.
func (m *Manager) save(ctx context.Context, chunks []postgres.Chunk) (refused []error, err error) {
	return backoff.Retry(ctx, func() ([]error, error) {
		refused, err := m.db.AppendLogs(ctx, chunks, m.keptDays())
		if err != nil && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
			m.log.ErrorContext(ctx, "log chunks not committed", "chunks", len(chunks), "err", err)
		}
		return refused, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, Multiplier: 2, MaxInterval: 2 * time.Second, RandomizationFactor: 0.3,
	}), backoff.WithMaxElapsedTime(0))
}

// answer lets a worker delete the chunks that are committed or refused. If the
// answer is lost, the worker sends the chunks again.
func (m *Manager) answer(ctx context.Context, worker hodei.WorkerID, stored schemas.Stored) {
	if worker.IsZero() {
		return // the subject names no worker
	}
	body, err := json.Marshal(stored)
	if err == nil {
		err = m.nc.Publish(schemas.StoredSubject(worker), body)
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		m.log.WarnContext(ctx, "stored logs not confirmed", "worker_id", worker, "err", err)
	}
}

// reader reads chunks, one after the other, into the same memory.
type reader struct {
	ndjson []byte
	check  checker
	warned time.Time // last warning about refused chunks
}

// read verifies that a message contains what its subject and headers declare,
// and that its lines are lines of a log. If it returns an error, the chunk has
// as much of its identity as could be read.
func (r *reader) read(msg *nats.Msg) (postgres.Chunk, error) {
	chunk, err := identify(msg)
	if err != nil {
		return chunk, err
	}
	if chunk.Body, err = logchunk.Parse(msg.Data, msg.Header.Get(schemas.HeaderEncoding)); err != nil {
		return chunk, err
	}
	ndjson := chunk.Lines
	if chunk.Size > 0 {
		if r.ndjson, err = chunk.AppendTo(r.ndjson[:0]); err != nil {
			return chunk, err
		}
		ndjson = r.ndjson
	}
	chunk.Digest = int64(chunk.Body.Digest())
	return chunk, r.check.lines(ndjson, chunk.First, chunk.Last)
}

// identify reads the subject and the headers of a message.
func identify(msg *nats.Msg) (chunk postgres.Chunk, err error) {
	if chunk.WorkerID, chunk.ExecutionID, err = schemas.ParseLogSubject(msg.Subject); err != nil {
		return chunk, err
	}
	chunk.Incarnation = msg.Header.Get(schemas.HeaderIncarnation)
	first, err1 := strconv.ParseInt(msg.Header.Get(schemas.HeaderFirst), 10, 64)
	last, err2 := strconv.ParseInt(msg.Header.Get(schemas.HeaderLast), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return chunk, fmt.Errorf("sequence headers: %w", err)
	}
	chunk.First, chunk.Last = first, last
	if first < 1 || last < first || last > hodei.MaxSequence {
		return chunk, fmt.Errorf("sequence headers: %d to %d", first, last)
	}
	return chunk, nil
}
