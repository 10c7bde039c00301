package follow

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/singleflight"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// FeedConfig configures a Feed. NATS and ID are required.
type FeedConfig struct {
	NATS *nats.Conn
	ID   hodei.ExecutionID
	Log  *slog.Logger
	// Ring is how many bytes of recent lines are kept in memory. Default: 8
	// MiB.
	Ring int
	// Shared bounds the memory of several feeds together; nil for a single one.
	Shared *Shared
	// Look is the interval in which the record is checked for progress, in case
	// messages of NATS were lost. Default: 15 s.
	Look time.Duration
	// Soon is how long an execution runs before its window is read, unless a
	// reader calls Now. Default: 50 ms. A consumer costs half a millisecond on
	// both ends, just when the command of a new execution starts, and an
	// execution that has ended by then needs none.
	Soon time.Duration
}

// Feed is the log of one execution, past and future, for any number of readers
// in this process.
//
// The lines come from two sources. A subscription to
// execution.log.*.<execution_id> delivers new lines when the worker publishes
// them. If the execution continues, or a reader calls Now, a consumer reads the
// earlier lines from the window, EXECUTION_LOGS. The latest lines are kept in a
// ring of bounded size. The record, read with logs.read, has all others: older
// than the window, evicted from the ring before a slow reader reached them, or
// lost in transit. One request serves all readers that want the same lines. A
// reader requests a sequence and receives the lines from there on, from either
// source. So each reader has its own pace, none waits for another, and
// duplicate, late or lost chunks are invisible: a reader waits for a line that
// neither source has yet, and never skips it. (Only the log of an ended
// execution can lack lines for good, after retention has dropped them; those
// are skipped.)
//
// The end is taken from the execution's event, or from the record, which is
// checked when the feed starts, while a line is missing, after an outage of
// NATS, and at intervals. Nothing is consumed for an ended execution, because
// the record has everything.
//
// A Feed works while Run does. Read, Found and Now may be called at any time
// from any goroutine; before Run they wait for it, and after Run has returned
// because the execution ended they still answer.
type Feed struct {
	cfg FeedConfig

	over   chan struct{} // closed at the execution's end
	found  chan struct{} // closed after the record was read
	asked  rpc.Signal    // by Now
	loaded chan struct{} // closed when the window's backlog is in the ring
	holed  rpc.Signal    // a line is missing

	mu   sync.Mutex
	ring ring
	// head is the sequence up to which every line is in the ring or was
	// recorded; beyond it there may be chunks in the ring, after a gap.
	head    int64
	taken   time.Time // of the last chunk
	source  source
	now     schemas.LogEnd
	ended   bool
	err     error         // why the feed stopped before the end
	changed chan struct{} // closed and replaced when any of this changes
	watches map[rpc.Signal]bool
	asking  singleflight.Group // of the record
	find    sync.Once
	load    sync.Once
}

// Batch is consecutive lines of a log, or its end.
type Batch struct {
	// First and Last are the sequences of the first and the last line.
	First, Last int64
	// Lines is NDJSON, one hodei.LogLine per line.
	Lines []byte
	// End is set alone, after every line was returned.
	End *schemas.LogEnd
}

// NewFeed returns a feed that is idle until Run.
func NewFeed(cfg FeedConfig) *Feed {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("execution_id", cfg.ID)
	cfg.Ring, cfg.Look = cmp.Or(cfg.Ring, 8<<20), cmp.Or(cfg.Look, 15*time.Second)
	cfg.Soon = cmp.Or(cfg.Soon, 50*time.Millisecond)
	return &Feed{
		cfg: cfg, ring: ring{limit: cfg.Ring, shared: cfg.Shared}, now: schemas.LogEnd{ExecutionID: cfg.ID},
		over: make(chan struct{}), found: make(chan struct{}), asked: rpc.NewSignal(), loaded: make(chan struct{}),
		holed: rpc.NewSignal(), changed: make(chan struct{}), watches: map[rpc.Signal]bool{},
	}
}

// Found waits until the record was read. It returns NOT_FOUND for an execution
// that does not exist, and UNAVAILABLE if the record could not be read.
func (f *Feed) Found(ctx context.Context) error {
	select {
	case <-f.found:
	case <-ctx.Done():
		return Interrupted(ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Now returns the progress of the execution: its status, its exit code, and as
// LogCount the last sequence that can be read without waiting. It waits until
// the window was read, and fails like Found.
func (f *Feed) Now(ctx context.Context) (schemas.LogEnd, error) {
	f.asked.Set()
	select {
	case <-f.loaded:
	case <-ctx.Done():
		return schemas.LogEnd{}, Interrupted(ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now
	if !f.ended {
		now.LogCount = f.head
	}
	return now, f.err
}

// Read returns the available lines from the sequence next (at least 1) on. It
// waits until there is one, until the execution has ended and next is beyond
// its last line, or until ctx is done, whose error it then returns. When there
// are lines, it calls room for the memory to store them in, which grows as
// needed: the batch is valid until that memory is reused.
func (f *Feed) Read(ctx context.Context, next int64, room func() *[]byte) (Batch, error) {
	pause := NewPause()
	var again <-chan time.Time
	for asked := 0; ; {
		changed, ask := f.changes(), asked
		if again != nil {
			ask = notAsked
		}
		batch, found, later, err := f.Poll(ctx, next, ask, room)
		if found || err != nil {
			return batch, err
		}
		if later {
			asked++
			again = time.After(pause.NextBackOff())
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-changed:
		case <-again:
			again = nil
		}
	}
}

// notAsked makes Poll leave the record alone.
const notAsked = -1

// Poll is Read for a reader of several feeds: found is false where Read would wait for a
// line. Asked is how often the record was polled for that line in vain; later is true if it
// was in vain again, so the reader polls again after a pause. Watch reports other reasons to
// poll.
func (f *Feed) Poll(ctx context.Context, next int64, asked int, room func() *[]byte) (batch Batch, found, later bool, err error) {
	for {
		v := f.view(next)
		switch {
		case v.done:
			return v.batch, v.err == nil, false, v.err
		case len(v.run) > 0:
			if batch, err = newBatch(v.run, room()); err == nil {
				return batch, true, false, nil
			}
			f.lose(next, err)
		case v.recorded && asked != notAsked:
			batch, found, err = f.history(ctx, next, v, asked, room)
			return batch, found, !found, err
		default:
			return Batch{}, false, false, nil
		}
	}
}

// view is a consistent snapshot for a reader.
type view struct {
	run      []chunk // from the ring, if it has the requested line
	batch    Batch   // the end
	err      error
	done     bool            // batch or err is the answer
	recorded bool            // the requested line is known to be recorded
	want     int             // how many recorded lines fill the gap to the ring
	end      *schemas.LogEnd // nil before the end
}

// historyPage is the maximum number of lines in one request to the record.
const historyPage = 5000

func (f *Feed) view(next int64) view {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := int64(math.MaxInt64)
	var end *schemas.LogEnd
	if f.ended {
		now := f.now
		end, last = &now, now.LogCount
		if next > last {
			return view{batch: Batch{End: end}, done: true}
		}
	}
	if run := f.ring.read(next, last); len(run) > 0 {
		return view{run: run}
	}
	return view{
		err: f.err, done: f.err != nil, end: end,
		recorded: next <= f.head, want: f.ring.gap(next, historyPage),
	}
}

// Forget empties the ring of a feed that no longer runs, in favour of others
// that share its memory. Later reads use the record.
func (f *Feed) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring.drop(len(f.ring.chunks))
}
