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
	"github.com/hodei-jobs/hodei/schemas"
)

// FeedConfig is what a Feed needs. NATS and ID are required.
type FeedConfig struct {
	NATS *nats.Conn
	ID   hodei.ExecutionID
	Log  *slog.Logger
	// Ring is how many bytes of recent lines are kept in memory; 8 MiB when 0.
	Ring int
	// Shared bounds what several feeds hold together; nil for one by itself.
	Shared *Shared
	// Look is how often the record is asked how far the execution is, should
	// what NATS told of it have been lost; 15 s when 0.
	Look time.Duration
	// Soon is how long an execution goes on before its window is read, unless
	// somebody asks how far it is; 50 ms when 0. A consumer costs half a millisecond
	// of both ends, just when the command of a new execution starts, and one that
	// has ended by then needs none.
	Soon time.Duration
}

// Feed is the log of one execution, past and to come, for any number of
// readers in this process.
//
// The lines come from two places. A subscription to execution.log.*.<execution_id> brings
// new lines the moment that the worker publishes them; when the execution goes on,
// or a reader asks how far it is, a consumer reads those before from its window,
// EXECUTION_LOGS. The latest are kept
// in a ring of bounded size. The record, asked through logs.read, has all the
// others: older than the window, pushed out of the ring before a slow reader came
// to them, or lost on the way; it is asked once for all readers that want the same.
// A reader only says which sequence it wants next and is given what begins exactly
// there, from whichever place has it. So each reader goes at its own pace, none
// waits for another, and chunks that arrive twice, late or never do not show: a
// line that neither place has yet is waited for, not passed over.
// (Only the log of an ended execution can lack lines for good, once retention
// has dropped them; those are passed over.)
//
// The end is learnt from the execution's event, or from the record, which is
// looked at when the feed starts, while a line is missing, after NATS was
// away, and now and then besides. Of an execution that has ended nothing is
// consumed: the record has it all.
//
// A Feed works while Run does. Read, Found and Now may be called at any time from any
// goroutine; before Run they wait for it, and after Run has returned because
// the execution ended they go on answering.
type Feed struct {
	cfg FeedConfig

	over   chan struct{} // closed at the execution's end
	found  chan struct{} // closed once the record has been looked at
	asked  chan struct{} // told when somebody wants to know what the window holds
	loaded chan struct{} // closed once the window's backlog is in the ring
	holed  chan struct{} // told when a line turns out to be missing

	mu   sync.Mutex
	ring ring
	// head is the sequence up to which every line is in the ring or was
	// recorded; beyond it there may be chunks in the ring, after a hole.
	head    int64
	taken   time.Time // of the last chunk
	now     schemas.LogEnd
	ended   bool
	err     error              // why the feed stopped before the end
	changed chan struct{}      // closed, and replaced, when any of this changes
	asking  singleflight.Group // of the record
	find    sync.Once
	load    sync.Once
}

// Batch is consecutive lines of a log, or its end.
type Batch struct {
	// First and Last are the sequences of the first and the last line.
	First, Last int64
	// Lines is NDJSON, one hodei.LogLine a line.
	Lines []byte
	// End is set, and nothing else, once every line was given.
	End *schemas.LogEnd
}

// NewFeed returns a feed that tells nothing before it is run.
func NewFeed(cfg FeedConfig) *Feed {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("execution_id", cfg.ID)
	cfg.Ring, cfg.Look = cmp.Or(cfg.Ring, 8<<20), cmp.Or(cfg.Look, 15*time.Second)
	cfg.Soon = cmp.Or(cfg.Soon, 50*time.Millisecond)
	return &Feed{
		cfg: cfg, ring: ring{limit: cfg.Ring, shared: cfg.Shared}, now: schemas.LogEnd{ExecutionID: cfg.ID},
		over: make(chan struct{}), found: make(chan struct{}), asked: make(chan struct{}, 1), loaded: make(chan struct{}),
		holed: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// Found waits until the record has been looked at, and fails with NOT_FOUND for an
// execution that does not exist, UNAVAILABLE when the record could not be asked.
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

// Now tells how far the execution is: its status, its exit code, and as
// LogCount the last sequence that can be read without waiting. It waits for
// what the window holds to be read, and fails as Found does.
func (f *Feed) Now(ctx context.Context) (schemas.LogEnd, error) {
	select {
	case f.asked <- struct{}{}:
	default:
	}
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

// Read returns the lines that begin at the sequence next, at least 1, as many
// as are at hand. It waits until there is one, until the execution has ended
// and next is beyond its last line, or until ctx is done, whose error it then
// returns. Once there are lines it calls room for the memory to put them into, which
// grows as needed: the batch is valid until that memory is used again.
func (f *Feed) Read(ctx context.Context, next int64, room func() *[]byte) (Batch, error) {
	pause := NewPause()
	var again <-chan time.Time
	for asked := 0; ; {
		v := f.view(next)
		if v.done {
			return v.batch, v.err
		}
		if len(v.run) > 0 {
			batch, err := newBatch(v.run, room())
			if err == nil {
				return batch, nil
			}
			f.lose(next, err)
			continue
		}
		if v.recorded && again == nil {
			batch, ok, err := f.history(ctx, next, v, asked, room)
			if ok || err != nil {
				return batch, err
			}
			asked++
			again = time.After(pause.NextBackOff())
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-v.changed:
		case <-again:
			again = nil
		}
	}
}

// view is what a reader sees at one moment.
type view struct {
	run      []chunk // from the ring, if it has the line wanted
	batch    Batch   // the end
	err      error
	done     bool            // batch or err is the answer
	recorded bool            // the line wanted is known to have been recorded
	want     int             // how many lines of the record fill the way to the ring
	end      *schemas.LogEnd // nil before the end
	changed  <-chan struct{}
}

// historyPage is the most lines asked of the record at once.
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
		err: f.err, done: f.err != nil, end: end, changed: f.changed,
		recorded: next <= f.head, want: f.ring.gap(next, historyPage),
	}
}

// Forget empties the ring of a feed that is no longer run, for the others that
// share its memory. Reading goes on from the record.
func (f *Feed) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring.drop(len(f.ring.chunks))
}
