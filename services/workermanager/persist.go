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
	r := reader{check: newChecker()}
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
// only then answers the workers.
func (m *Manager) commit(ctx context.Context, batch []*nats.Msg, r *reader) error {
	chunks := make([]postgres.Chunk, 0, len(batch))
	answers := answers{} // by worker
	for _, msg := range batch {
		chunk, err := r.read(msg)
		if err == nil && !m.keepsDay(chunk.ExecutionID.Day(), time.Now()) {
			err = errDay
		}
		if err != nil {
			answers.refuse(chunk, err)
			continue
		}
		chunks = append(chunks, chunk)
	}
	// A stop must not lose the batch to a cancelled context, nor wait for ever
	// for a database that is away: the chunks are safe with their workers.
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

var errDay = errors.New("the day of the execution is outside the log retention")

// answers are the answers to the chunks of a batch.
type answers map[hodei.WorkerID]*answer

type answer struct {
	schemas.Stored
	err error // why the first of the refused chunks is refused
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

// warnEvery is how often refused chunks are logged at most: a flood of bad chunks
// must not become a flood of warnings.
const warnEvery = time.Second

// warn counts refused chunks, and logs the first of them.
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

// save appends chunks to the record, and tries again until the database takes
// them. What it will never take is returned, see postgres.AppendLogs.
func (m *Manager) save(ctx context.Context, chunks []postgres.Chunk) (refused []error, err error) {
	return backoff.Retry(ctx, func() ([]error, error) {
		refused, err := m.db.AppendLogs(ctx, chunks)
		if err != nil && !errors.Is(err, hodei.Unavailable) && !errors.Is(err, hodei.Timeout) {
			m.log.ErrorContext(ctx, "log chunks not committed", "chunks", len(chunks), "err", err)
		}
		return refused, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, Multiplier: 2, MaxInterval: 2 * time.Second, RandomizationFactor: 0.3,
	}), backoff.WithMaxElapsedTime(0))
}

// answer lets a worker forget the chunks that are committed or refused. If the
// answer is lost, the worker sends the chunks again.
func (m *Manager) answer(ctx context.Context, worker hodei.WorkerID, stored schemas.Stored) {
	if worker.IsZero() {
		return // the chunks name no worker
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
	room   []byte
	check  checker
	warned time.Time // of refused chunks
}

// chunkBytes is the most bytes of NDJSON that a chunk may have: a reply of
// logs.read has room for one chunk.
const chunkBytes = 1 << 20

// read checks that a message is what its headers say and its lines are lines of
// a log, and packs it if its worker has not. Before chunks were packed, Postgres
// took as much of the processor for a flood of lines as all of Hodei. With an
// error the chunk has as much of its identity as could be read.
func (r *reader) read(msg *nats.Msg) (postgres.Chunk, error) {
	chunk, err := identify(msg)
	if err != nil {
		return chunk, err
	}
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
	} else if len(lines) > chunkBytes {
		return chunk, fmt.Errorf("%d bytes of lines: at most %d allowed", len(lines), chunkBytes)
	}
	if chunk.Digest, err = r.digest(lines, chunk.First, chunk.Last, size); err != nil {
		return chunk, err
	}
	if chunk.Text = text; size == 0 {
		chunk.Text = packed.Pack(lines)
	}
	return chunk, nil
}

// digest checks each line, and that they are as many as the sequences from
// first to last, of so many bytes if size is not 0.
func (r *reader) digest(lines packed.Lines, first, last int64, size int) (int64, error) {
	var digest hodei.Digest
	count, made := int64(0), 0
	for line := range lines.All(first) {
		if err := r.check.check(line); err != nil {
			return 0, fmt.Errorf("line %d: %w", line.Sequence, err)
		}
		if line.Begins {
			digest.Begin(line.Head)
		}
		digest.Add(line.Text, line.End)
		if count, made = count+1, made+line.Size(); count > last-first+1 || made > chunkBytes {
			break
		}
	}
	if count != last-first+1 {
		return 0, fmt.Errorf("another number of lines than %d to %d", first, last)
	}
	if size > 0 && made != size {
		return 0, fmt.Errorf("%d bytes of lines instead of %d", made, size)
	}
	return digest.Sum, nil
}

// identify reads the subject and the headers of a message.
func identify(msg *nats.Msg) (chunk postgres.Chunk, err error) {
	subject := msg.Subject
	if err := chunk.ExecutionID.UnmarshalText([]byte(subject[strings.LastIndexByte(subject, '.')+1:])); err != nil {
		return chunk, err
	}
	if err := chunk.WorkerID.UnmarshalText([]byte(msg.Header.Get(schemas.HeaderWorker))); err != nil {
		return chunk, fmt.Errorf("header %s: %w", schemas.HeaderWorker, err)
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
