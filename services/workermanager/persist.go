package workermanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// A batch is what is at hand, up to these bounds: one chunk alone is committed
// at once, many share a commit.
const (
	batchChunks = 256
	batchBytes  = 4 << 20
)

// Chunks that come in while a batch is being committed wait here, in memory. One
// beyond these bounds is passed over: its worker has it, and sends it again.
const (
	waitingChunks = 16 << 10
	waitingBytes  = 128 << 20
)

// persist commits log chunks as they arrive, batch after batch, and tells
// their workers. The instances share the chunks, which come straight from the
// workers: that each is kept until it is told to be stored is the workers'
// promise, so JetStream need not be able to store it. It returns when ctx is
// done and the batch at hand is committed, or with an error when the
// subscription breaks.
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

// wantLogs has the workers send again what they sent while nobody was here.
func (m *Manager) wantLogs(ctx context.Context) {
	if err := m.nc.Publish(schemas.LogsWantedSubject, nil); err != nil {
		m.log.WarnContext(ctx, "workers not asked for logs", "err", err) // they send them in a while
	}
}

// floodPause is how long chunks of a flood, those that came packed, wait for more.
// Their worker goes on meanwhile, and a commit costs Postgres as much as a few of
// them: a tenth of all that two million lines take.
const floodPause = 5 * time.Millisecond

// gather takes what is at hand after the first message, within the bounds.
func gather(first *nats.Msg, incoming <-chan *nats.Msg) []*nats.Msg {
	var batch []*nats.Msg
	size, flood := 0, false
	add := func(msg *nats.Msg) {
		batch, size = append(batch, msg), size+len(msg.Data)
		flood = flood || msg.Header.Get(schemas.HeaderPacked) != ""
	}
	add(first)
	var over <-chan time.Time
	for len(batch) < batchChunks && size < batchBytes {
		select {
		case msg := <-incoming:
			add(msg)
			continue
		default:
		}
		if !flood {
			return batch
		}
		if over == nil {
			over = time.After(floodPause)
		}
		select {
		case msg := <-incoming:
			add(msg)
		case <-over:
			return batch
		}
	}
	return batch
}

// commit reads the batch, appends it to the record, for as long as it takes, and
// only then tells the workers.
func (m *Manager) commit(ctx context.Context, batch []*nats.Msg, r *reader) error {
	chunks := make([]postgres.Chunk, 0, len(batch))
	stored := map[string][]schemas.Span{} // by worker
	for _, msg := range batch {
		chunk, err := r.read(msg)
		if err != nil {
			m.log.WarnContext(ctx, "log chunk refused", "subject", msg.Subject, "err", err)
			continue
		}
		chunks = append(chunks, chunk)
		worker := msg.Header.Get(schemas.HeaderWorker)
		stored[worker] = append(stored[worker], schemas.Span{ExecutionID: chunk.ExecutionID, First: chunk.First, Last: chunk.Last})
	}
	// A stop must not lose the batch to a cancelled context, nor wait for ever
	// for a database that is away: the chunks are safe with their workers.
	saving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(5*time.Second, cancel) })()
	if len(chunks) > 0 {
		if err := m.save(saving, chunks); err != nil {
			return err
		}
	}
	for worker, spans := range stored {
		m.tell(ctx, worker, spans)
	}
	return nil
}

func (m *Manager) save(ctx context.Context, chunks []postgres.Chunk) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := m.db.AppendLogs(ctx, chunks)
		if err != nil && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
			m.log.ErrorContext(ctx, "log chunks not committed", "chunks", len(chunks), "err", err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, Multiplier: 2, MaxInterval: 2 * time.Second, RandomizationFactor: 0.3,
	}), backoff.WithMaxElapsedTime(0))
	return err
}

// tell lets a worker forget what is committed. Should it not hear, it sends
// the chunks again.
func (m *Manager) tell(ctx context.Context, worker string, spans []schemas.Span) {
	var id hodei.WorkerID
	if id.UnmarshalText([]byte(worker)) != nil {
		return // nobody waits
	}
	body, err := json.Marshal(schemas.Stored{Spans: spans})
	if err == nil {
		err = m.nc.Publish(schemas.StoredSubject(id), body)
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		m.log.WarnContext(ctx, "worker not told of stored logs", "worker_id", worker, "err", err)
	}
}

// reader reads chunks, one after the other, into the same memory.
type reader struct{ room []byte }

// read checks that a message is what its headers say, and packs it if its
// worker has not. Before chunks were packed, Postgres took as much of the
// processor for a flood of lines as all of Hodei.
func (r *reader) read(msg *nats.Msg) (postgres.Chunk, error) {
	var chunk postgres.Chunk
	subject := msg.Subject
	if err := chunk.ExecutionID.UnmarshalText([]byte(subject[strings.LastIndexByte(subject, '.')+1:])); err != nil {
		return chunk, err
	}
	first, err1 := strconv.ParseInt(msg.Header.Get(schemas.HeaderFirst), 10, 64)
	last, err2 := strconv.ParseInt(msg.Header.Get(schemas.HeaderLast), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return chunk, fmt.Errorf("sequence headers: %w", err)
	}
	if first < 1 || last < first {
		return chunk, fmt.Errorf("sequence headers: %d to %d", first, last)
	}
	chunk.First, chunk.Last = first, last
	text, err := packed.Read(msg.Data, msg.Header.Get(schemas.HeaderPacked))
	if err != nil {
		return chunk, err
	}
	lines, size := packed.Lines(msg.Data), text.Size
	if size > 0 {
		if lines, err = text.Open(r.room); err != nil {
			return chunk, err
		}
		r.room = lines
	}
	var digest hodei.Digest
	count, made := int64(0), 0
	for line := range lines.All(first) {
		if line.Begins {
			digest.Begin(line.Head)
		}
		digest.Add(line.Text, line.End)
		count, made = count+1, made+line.Size()
	}
	if count != last-first+1 {
		return chunk, fmt.Errorf("%d lines said to be %d to %d", count, first, last)
	}
	if size > 0 && made != size {
		return chunk, fmt.Errorf("%d bytes of lines said to be %d", made, size)
	}
	chunk.Digest = digest.Sum
	if chunk.Text = text; size == 0 {
		chunk.Text = packed.Pack(lines)
	}
	return chunk, nil
}
