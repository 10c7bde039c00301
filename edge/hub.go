package edge

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// kept is how many events a reader who comes back may have missed and be
	// given from memory.
	kept = 2048
	// wordsEvery is how often workers' words are told; of several words of one
	// worker in that time the last.
	wordsEvery = 250 * time.Millisecond
)

// hub shares one source of events among all their readers. It runs while there
// are any, and a little longer.
type hub struct {
	cfg  Config
	ctx  context.Context // of Run
	runs sync.WaitGroup

	mu      sync.Mutex
	source  *source // nil while nobody reads
	readers map[*reader]bool
	idle    *time.Timer
}

// source is what one run of the hub knows. The hub's lock guards it.
type source struct {
	cancel context.CancelFunc
	placed chan struct{} // closed once last is the place of the stream
	last   uint64
	recent []happening // the last events, oldest first
	words  map[hodei.WorkerID]happening
	told   map[hodei.WorkerID]bool // words that have changed since the last tick
	once   sync.Once
}

// happening is decoded once, for all readers.
type happening struct {
	client.Happening
	notice schemas.Notice
}

// reader is one stream. Its channel is closed when it is cut for being slow,
// or because the edge stops.
type reader struct {
	happenings chan happening
	slow       bool
}

func newHub(ctx context.Context, cfg Config) *hub {
	h := &hub{cfg: cfg, ctx: ctx, readers: map[*reader]bool{}}
	h.idle = time.AfterFunc(time.Hour, h.stop)
	h.idle.Stop()
	context.AfterFunc(ctx, h.stop)
	return h
}

var errStopping = hodei.Errorf(hodei.Unavailable, "The edge is stopping")

// join adds a reader, and returns where the stream is and each worker's word.
// What happens after that comes through the channel.
func (h *hub) join(ctx context.Context) (r *reader, at uint64, words []happening, err error) {
	h.mu.Lock()
	if h.ctx.Err() != nil {
		h.mu.Unlock()
		return nil, 0, nil, errStopping
	}
	h.idle.Stop()
	if h.source == nil {
		h.start()
	}
	src := h.source
	r = &reader{happenings: make(chan happening, h.cfg.EventsBehind)}
	h.readers[r] = true // from here on it keeps the source alive
	h.mu.Unlock()
	select {
	case <-src.placed:
	case <-ctx.Done():
		h.leave(r)
		return nil, 0, nil, ctx.Err()
	case <-h.ctx.Done():
		return nil, 0, nil, errStopping
	case <-time.After(5 * time.Second):
		h.leave(r)
		return nil, 0, nil, hodei.Errorf(hodei.Unavailable, "The feed of events does not answer")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(r.happenings) > 0 { // told already by what follows
		<-r.happenings
	}
	for _, word := range src.words {
		words = append(words, word)
	}
	return r, src.last, words, nil
}

// since returns the events after one, if they are all still in memory.
func (h *hub) since(after, until uint64) (events []happening, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	src := h.source
	if src == nil || len(src.recent) == 0 || src.recent[0].Sequence > after+1 {
		return nil, false
	}
	for _, event := range src.recent {
		if event.Sequence > after && event.Sequence <= until {
			events = append(events, event)
		}
	}
	return events, true
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
	if len(h.readers) == 0 {
		h.idle.Reset(linger)
	}
}

// start runs a source. The lock is held.
func (h *hub) start() {
	ctx, cancel := context.WithCancel(h.ctx)
	src := &source{
		cancel: cancel, placed: make(chan struct{}), words: map[hodei.WorkerID]happening{}, told: map[hodei.WorkerID]bool{},
	}
	h.source = src
	h.runs.Go(func() {
		defer h.drop(src)
		defer rpc.Recover(h.cfg.Log, "events")
		_, err := client.Happenings(ctx, client.HappeningsConfig{NATS: h.cfg.NATS, Log: h.cfg.Log, Follow: true},
			func(e client.Happening) error { h.hear(src, e); return nil })
		if err != nil && ctx.Err() == nil {
			h.cfg.Log.Warn("following events failed", "err", err)
		}
	})
	h.runs.Go(func() {
		defer rpc.Recover(h.cfg.Log, "events")
		h.tick(ctx, src)
	})
}

// hear takes in what happened and passes it on.
func (h *hub) hear(src *source, e client.Happening) {
	notice, err := e.Notice()
	if err != nil {
		h.cfg.Log.Warn("event passed over", "sequence", e.Sequence, "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	src.last = e.Sequence
	switch got := (happening{e, notice}); {
	case e.Kind == "":
		clear(src.told) // whoever joins now is given them
		src.once.Do(func() { close(src.placed) })
	case notice.Worker != nil:
		src.words[notice.Worker.WorkerID] = got
		src.told[notice.Worker.WorkerID] = true
	default:
		if notice.Resync != nil {
			src.recent = nil
		} else if src.recent = append(src.recent, got); len(src.recent) >= 2*kept {
			src.recent = append([]happening(nil), src.recent[kept:]...)
		}
		h.pass(got)
	}
}

// tick passes on the workers' words.
func (h *hub) tick(ctx context.Context, src *source) {
	tick := time.NewTicker(wordsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.passWords(src)
		}
	}
}

func (h *hub) passWords(src *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range src.told {
		word := src.words[id]
		if word.notice.Worker.Availability == nil {
			delete(src.words, id)
		}
		h.pass(word)
	}
	clear(src.told)
}

// pass gives it to every reader that has room, and cuts the others. The lock
// is held.
func (h *hub) pass(e happening) {
	for r := range h.readers {
		select {
		case r.happenings <- e:
		default:
			r.slow = true
			delete(h.readers, r)
			close(r.happenings)
		}
	}
}

// drop forgets a source that has ended, and with it its readers, who come back.
func (h *hub) drop(src *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.source == src {
		h.end()
	}
}

// end forgets the source and cuts its readers. The lock is held.
func (h *hub) end() {
	h.source.cancel()
	h.source = nil
	for r := range h.readers {
		delete(h.readers, r)
		close(r.happenings)
	}
}

// stop ends the source when nobody reads any more, or the edge stops.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.source != nil && (len(h.readers) == 0 || h.ctx.Err() != nil) {
		h.end()
	}
}

// close returns when nothing runs any more; the context of the hub is done.
func (h *hub) close() {
	h.runs.Wait()
	h.idle.Stop()
}

// history gives the events between two sequences to fn, from the stream.
func (h *hub) history(ctx context.Context, after, until uint64, fn func(happening) error) error {
	_, err := client.Happenings(ctx, client.HappeningsConfig{NATS: h.cfg.NATS, Log: h.cfg.Log, After: after, NoWorkers: true},
		func(e client.Happening) error {
			notice, err := e.Notice()
			switch {
			case err != nil: // whoever published it, it was not Hodei
				return nil
			case e.Sequence > until:
				return errUntil
			}
			return fn(happening{e, notice})
		})
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

var errUntil = errors.New("far enough")

// resync is the frame that tells of a loss.
func resync(at uint64, reason string) happening {
	body, _ := json.Marshal(schemas.Resync{Reason: reason}) // a string always encodes
	return happening{Happening: client.Happening{Sequence: at, Kind: schemas.NoticeResync, Data: body}}
}
