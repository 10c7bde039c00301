package follow

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// RunLogConfig configures a RunLog. NATS, State and Feed are required.
type RunLogConfig struct {
	NATS  *nats.Conn
	State *RunState
	// Feed returns the feed of an execution, which runs, and a function that releases it.
	Feed func(hodei.ExecutionID) (*Feed, func())
	// Options select the last lines of each execution.
	Options schemas.LogOptions
	// Follow goes on until the run has ended; otherwise the log ends after what there is.
	Follow bool
	// After is the position to continue at, "" for the beginning.
	After string
}

// RunLog is the logs of all jobs of a run for one reader: a single goroutine that calls Next.
//
// An execution that has ended is read at once to its end, so that history is one job after the
// other, in the order of the definition. Those that run are read in turn, a batch at a time.
// Each attempt of a job is read, in order. The end of a job is reported after its last line.
//
// A RunLog holds the feeds of what runs, and of one ended execution: what it takes is bounded
// by the jobs of the run, and its lines are in the shared memory of the feeds.
type RunLog struct {
	cfg     RunLogConfig
	parts   []*part // in the order of the run
	by      map[string]*part
	begun   map[int]place // of cfg.After
	done    []span
	ended   bool
	run     hodei.Run
	changed <-chan struct{} // of the run
	turn    int             // the part to be read next
	wake    rpc.Signal      // of the feeds
}

// part is one job of the run and how far its logs are read.
type part struct {
	place
	job *hodei.RunJob
	// reported is the job as last reported.
	reported *hodei.RunJob
	again    time.Time // when the record is polled again
	asked    int
	limit    int64 // the last line without Follow
	seen     bool  // as far as it is read without Follow
	feed     *Feed
	stop     func() // releases the feed
	past     map[int]hodei.ExecutionID
}

// RunStep is the next thing in the logs of a run: lines of a job, a job that has changed, a new
// position alone, or the end.
type RunStep struct {
	// Key is the job of the lines in Batch.
	Key   string
	Batch Batch
	// Job is the job that has changed.
	Job *hodei.RunJob
	// Moved reports a position that no line has.
	Moved bool
	End   *schemas.RunLogEnd

	part     *part
	position position
}

// AppendPosition appends the position after the line with the sequence: what After continues
// at.
func (s RunStep) AppendPosition(dst []byte, sequence int64) []byte {
	return s.position.appendTo(dst, sequence)
}

// NewRunLog returns the log of a run. It fails if After is not a position.
func NewRunLog(cfg RunLogConfig) (*RunLog, error) {
	l := &RunLog{cfg: cfg, by: map[string]*part{}, wake: rpc.NewSignal()}
	var err error
	if cfg.After != "" {
		l.begun, l.done, err = parsePosition(cfg.After)
	}
	return l, err
}

// Close releases the feeds.
func (l *RunLog) Close() {
	for _, p := range l.parts {
		p.release()
	}
}

// Took records that the reader has the lines of a step up to the sequence. Later lines come
// again.
func (l *RunLog) Took(s RunStep, sequence int64) { s.part.last = sequence }

// Next returns the next step. It waits for one until ctx is done, whose error it then returns.
// Room is called for the memory of a batch, as by Feed.Read.
func (l *RunLog) Next(ctx context.Context, room func() *[]byte) (RunStep, error) {
	for {
		if err := l.look(ctx); err != nil {
			return RunStep{}, err
		}
		step, again, err := l.poll(ctx, room)
		if err != nil || again == nil {
			return step, err
		}
		var retry <-chan time.Time
		if !again.IsZero() {
			retry = time.After(time.Until(*again))
		}
		select {
		case <-ctx.Done():
			return RunStep{}, ctx.Err()
		case <-l.changed:
		case <-l.wake:
		case <-retry:
		}
	}
}

// look reads the state of the run. Without Follow it is that of the beginning.
func (l *RunLog) look(ctx context.Context) error {
	if l.ended || !l.cfg.Follow && l.parts != nil {
		return nil
	}
	select {
	case <-l.changed:
	default:
		if l.changed != nil {
			return nil
		}
	}
	run, changed, err := l.cfg.State.Now(ctx)
	if err != nil {
		return err
	}
	l.run, l.changed, l.ended = run, changed, run.Status.Ended()
	l.parts = make([]*part, len(run.Jobs))
	at, leg := -1, 0
	for i := range run.Jobs {
		job := &run.Jobs[i]
		if leg++; i == 0 || job.Job != run.Jobs[i-1].Job {
			at, leg = at+1, 0
		}
		p := l.by[job.Key]
		if p == nil {
			p = l.begin(partAt(at, leg))
			l.by[job.Key] = p
		}
		p.job, l.parts[i] = job, p
		if p.reported == nil && job.Status == hodei.JobWaiting {
			p.reported = job // as each job is at first
		}
	}
	return nil
}

// begin returns the part of a job that is seen for the first time, as far as After has it.
func (l *RunLog) begin(at int) *part {
	p := &part{place: place{at: at, attempt: 1}, limit: -1, past: map[int]hodei.ExecutionID{}}
	if begun, ok := l.begun[at]; ok {
		p.place = begun
	}
	p.done = covered(l.done, at)
	return p
}

// poll returns a step, or when to poll again if nothing wakes the log before: the zero time for
// never.
func (l *RunLog) poll(ctx context.Context, room func() *[]byte) (RunStep, *time.Time, error) {
	again, left := time.Time{}, 0
	for i := range l.parts {
		at := i
		if l.cfg.Follow {
			at = (l.turn + i) % len(l.parts)
		}
		p := l.parts[at]
		step, ok, err := l.pollPart(ctx, p, room)
		switch {
		case err != nil:
			return step, nil, err
		case ok:
			if l.turn = at; step.Key != "" && !p.whole() {
				l.turn++ // the others that run come first
			}
			return step, nil, nil
		case !p.again.IsZero() && (again.IsZero() || p.again.Before(again)):
			again = p.again
		}
		if !p.over(l.cfg.Follow) {
			left++
		}
	}
	if left > 0 || l.cfg.Follow && !l.ended {
		return RunStep{}, &again, nil
	}
	return RunStep{End: &schemas.RunLogEnd{RunID: l.run.ID, Status: l.run.Status, Reason: l.run.Reason}}, nil, nil
}

// pollPart returns the next step of one job, if there is one.
func (l *RunLog) pollPart(ctx context.Context, p *part, room func() *[]byte) (RunStep, bool, error) {
	if !p.job.Status.Ended() || !l.cfg.Follow && !p.whole() {
		if step, ok := p.report(); ok {
			return step, true, nil
		}
	}
	for !p.done && p.readable() && time.Now().After(p.again) {
		p.again = time.Time{}
		if p.feed == nil {
			if step, ok, err := l.open(ctx, p); err != nil || ok {
				return step, ok, err
			}
			continue // it may be over already
		}
		if p.limit >= 0 && p.last >= p.limit {
			p.seen = !p.whole() // the position stays there
			p.next()
			continue
		}
		batch, found, later, err := p.feed.Poll(ctx, p.last+1, p.asked, room)
		switch {
		case err != nil:
			return RunStep{}, false, err
		case later:
			p.asked++
			p.again = time.Now().Add(pollAgain)
			return RunStep{}, false, nil
		case !found:
			return RunStep{}, false, nil
		case batch.End != nil:
			p.next()
			continue
		}
		p.asked = 0
		if p.limit >= 0 {
			batch.Last = min(batch.Last, p.limit)
		}
		return RunStep{Key: p.job.Key, Batch: batch, part: p, position: l.position(p)}, true, nil
	}
	if p.over(true) {
		p.done = true
		if step, ok := p.report(); ok {
			return step, true, nil
		}
	}
	return RunStep{}, false, nil
}

const (
	// pollAgain is the pause after the record lacked a line that an event has announced.
	pollAgain = 100 * time.Millisecond
	// openAgain is the pause after the record of an execution could not be read.
	openAgain = time.Second
)

// open begins the next execution of a job. It waits until its progress is known, so that the
// lines of one that has ended follow before those of the next job. The step is a position,
// where the tail leaves out lines.
func (l *RunLog) open(ctx context.Context, p *part) (RunStep, bool, error) {
	id, err := l.execution(ctx, p)
	if err != nil || id == nil {
		if id == nil && err == nil {
			p.next() // of an execution that was deleted nothing is left
		}
		return RunStep{}, false, err
	}
	feed, release := l.cfg.Feed(*id)
	unwatch := feed.notify(l.wake)
	p.feed, p.stop = feed, func() { unwatch(); release() }
	p.limit, p.asked = -1, 0
	err = feed.Found(ctx)
	tail := !l.cfg.Options.All() && p.last == 0
	if err == nil && (tail || !l.cfg.Follow) {
		var now schemas.LogEnd
		if now, err = feed.Now(ctx); err == nil && !l.cfg.Follow {
			p.limit = now.LogCount
		}
		if err == nil && tail {
			p.last = l.cfg.Options.From(now.LogCount) - 1
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, hodei.NotFound):
		p.next()
		return RunStep{}, false, nil
	case ctx.Err() == nil && errors.Is(err, hodei.Unavailable) && l.cfg.Follow:
		p.release()
		p.again = time.Now().Add(openAgain)
		return RunStep{}, false, nil
	default:
		p.release()
		return RunStep{}, false, err
	}
	return RunStep{Moved: true, Batch: Batch{Last: p.last}, part: p, position: l.position(p)}, tail && p.last > 0, nil
}

// execution is the one that is read next, nil if it no longer exists.
func (l *RunLog) execution(ctx context.Context, p *part) (*hodei.ExecutionID, error) {
	if p.attempt == p.job.Attempt {
		return p.job.ExecutionID, nil
	}
	if id, known := p.past[p.attempt]; known {
		return &id, nil
	}
	id := p.job.ExecutionID
	for at := p.job.Attempt; at > p.attempt && id != nil; at-- {
		e, err := rpc.Call(ctx, l.cfg.NATS, schemas.GetExecution, schemas.GetExecutionRequest{ID: hodei.RefTo(*id)})
		if err != nil && !errors.Is(err, hodei.NotFound) {
			return nil, err
		}
		if id = e.RetryOf; id != nil {
			p.past[at-1] = *id
		}
	}
	return id, nil
}

func (l *RunLog) position(p *part) position {
	places, of := make([]place, len(l.parts)), 0
	for i, one := range l.parts {
		if places[i] = one.place; one == p {
			of = i
		}
	}
	return newPosition(places, of)
}

// readable reports whether the execution that is read next may have lines.
func (p *part) readable() bool {
	if p.seen || p.job.ExecutionID == nil || p.attempt > p.job.Attempt {
		return false
	}
	return p.whole() && p.job.Status != hodei.JobCancelled || p.job.StartedAt != nil || p.attempt < p.job.Attempt
}

// whole reports whether the execution that is read next has ended.
func (p *part) whole() bool { return p.attempt < p.job.Attempt || p.job.Status.Ended() }

// over reports whether nothing more follows of the job; without follow, for now.
func (p *part) over(follow bool) bool {
	return p.done || (!follow || p.job.Status.Ended()) && !p.readable()
}

// report returns the step that reports the job, if it has changed.
func (p *part) report() (RunStep, bool) {
	same := p.reported != nil && reflect.DeepEqual(*p.reported, *p.job)
	p.reported = p.job
	if same {
		return RunStep{}, false
	}
	return RunStep{Job: p.job}, true
}

// next ends the execution that was read.
func (p *part) next() {
	if p.release(); !p.seen {
		p.attempt, p.last = p.attempt+1, 0
	}
}

func (p *part) release() {
	if p.feed != nil {
		p.stop()
		p.feed, p.stop = nil, nil
	}
}
