package plan

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Index is a fleet, sorted so that Choose examines few workers. Workers that accept
// executions are grouped by type and labels, then by slots and free slots; each such shelf
// is sorted by score. Choose examines the first worker of each shelf with enough free slots,
// so its cost grows with the number of shelves.
type Index struct {
	weights Weights
	workers map[hodei.WorkerID]*filed
	kinds   map[string]*kind
}

// kind is the workers of one type with the same labels, all dedicated or none.
type kind struct {
	key     string
	of      *Worker // type, labels and dedication, for mismatch
	shelves map[shelfKey][]*filed
}

type shelfKey struct{ slots, free int }

// filed is a worker with its place in the index. Among workers with the same score, a
// request prefers the one whose point follows its own on a ring, which spreads ties.
type filed struct {
	Worker
	kind  *kind // nil when it accepts no executions
	shelf shelfKey
	score float64
	point uint64
}

// NewIndex returns an index without workers.
func NewIndex(w Weights) *Index {
	return &Index{weights: w, workers: map[hodei.WorkerID]*filed{}, kinds: map[string]*kind{}}
}

// Add adds a worker, in place of the one with its id.
func (x *Index) Add(w Worker) {
	x.Remove(w.WorkerID)
	f := &filed{Worker: w, point: point(w.WorkerID)}
	x.workers[w.WorkerID] = f
	x.file(f)
}

// Remove forgets a worker.
func (x *Index) Remove(id hodei.WorkerID) {
	if f := x.workers[id]; f != nil {
		x.takeOut(f)
		delete(x.workers, id)
	}
}

// Update calls change, which may modify everything except the id, and files the worker
// again. It reports whether the worker exists.
func (x *Index) Update(id hodei.WorkerID, change func(*Worker)) bool {
	f := x.workers[id]
	if f != nil {
		change(&f.Worker)
		x.file(f)
	}
	return f != nil
}

// Size is how many workers there are, and how many free slots they have.
func (x *Index) Size() (workers, free int) {
	for _, f := range x.workers {
		free += f.Free
	}
	return len(x.workers), free
}

// file puts a worker where it belongs, unless it is there.
func (x *Index) file(f *filed) {
	accepts := f.Blocked == "" && !f.Cordoned && (f.Status == hodei.WorkerAvailable || f.Status == hodei.WorkerBusy)
	shelf, score := shelfKey{f.Slots, f.Free}, assess(&f.Worker, x.weights).Score
	if f.kind != nil && accepts && f.shelf == shelf && f.score == score &&
		f.kind.of.Type == f.Type && f.kind.of.Dedicated == f.Dedicated && maps.Equal(f.kind.of.Labels, f.Labels) {
		return
	}
	x.takeOut(f)
	if !accepts {
		return
	}
	f.kind, f.shelf, f.score = x.kindOf(&f.Worker), shelf, score
	row := f.kind.shelves[shelf]
	at, _ := slices.BinarySearchFunc(row, f, byPreference)
	f.kind.shelves[shelf] = slices.Insert(row, at, f)
}

func (x *Index) takeOut(f *filed) {
	k := f.kind
	if k == nil {
		return
	}
	row := k.shelves[f.shelf]
	at, _ := slices.BinarySearchFunc(row, f, byPreference)
	if k.shelves[f.shelf] = slices.Delete(row, at, at+1); len(row) == 1 {
		delete(k.shelves, f.shelf)
	}
	if f.kind = nil; len(k.shelves) == 0 {
		delete(x.kinds, k.key)
	}
}

func (x *Index) kindOf(w *Worker) *kind {
	key := w.Type
	if len(w.Labels) > 0 {
		labels, _ := json.Marshal(w.Labels) // maps encode in order of their keys
		key += "\x00" + string(labels)
	}
	if w.Dedicated {
		key += "\x00dedicated"
	}
	k := x.kinds[key]
	if k == nil {
		of := Worker{Availability: hodei.Availability{Type: w.Type, Labels: maps.Clone(w.Labels), Dedicated: w.Dedicated}}
		k = &kind{key: key, of: &of, shelves: map[shelfKey][]*filed{}}
		x.kinds[key] = k
	}
	return k
}

// byPreference is the order of a shelf.
func byPreference(a, b *filed) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.point, b.point), slices.Compare(a.WorkerID[:], b.WorkerID[:]))
}

// Choose returns the best worker for the request, false when none can take it. A worker
// whose report is older than the lease at now counts as lost.
func (x *Index) Choose(req Request, lease time.Duration, now time.Time) (Worker, bool) {
	need := req.Requirements.Slots()
	best := x.first(req, lease, now, "", func(s shelfKey) bool { return s.free >= need }, preferred)
	if best == nil {
		return Worker{}, false
	}
	return best.Worker, true
}

// Reserve returns the worker to reserve for a request that no worker has enough free slots
// for: the one with the most free slots among those that are only busy.
func (x *Index) Reserve(req Request, lease time.Duration, now time.Time) (hodei.WorkerID, bool) {
	need := req.Requirements.Slots()
	best := x.first(req, lease, now, busy, func(s shelfKey) bool { return s.free < need && need <= s.slots }, mostFree)
	if best == nil {
		return hodei.WorkerID{}, false
	}
	return best.WorkerID, true
}

// first returns the first worker, by order, on the shelves with suitable numbers of slots
// that is excluded for the reason why, "" for none.
func (x *Index) first(req Request, lease time.Duration, now time.Time, why string,
	suitable func(shelfKey) bool, order func(a, b *filed, from uint64) int) (best *filed) {
	from := point(req.ID)
	fits := func(f *filed) bool { return exclude(&f.Worker, req, lease, now) == why }
	for _, k := range x.kinds {
		if mismatch(k.of, req.Requirements) != "" {
			continue
		}
		for s, row := range k.shelves {
			if !suitable(s) {
				continue
			}
			if f := firstOf(row, from, fits); f != nil && (best == nil || order(f, best, from) < 0) {
				best = f
			}
		}
	}
	return best
}

// firstOf returns the first worker of a shelf that fits. Workers with the same score are
// tried in the order of the ring.
func firstOf(row []*filed, from uint64, fits func(*filed) bool) *filed {
	for len(row) > 0 {
		score := row[0].score
		n := sort.Search(len(row), func(i int) bool { return row[i].score < score })
		start := sort.Search(n, func(i int) bool { return row[i].point >= from })
		for i := range n {
			if f := row[(start+i)%n]; fits(f) {
				return f
			}
		}
		row = row[n:]
	}
	return nil
}

// preferred orders workers by score, then by the ring.
func preferred(a, b *filed, from uint64) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.point-from, b.point-from), slices.Compare(a.WorkerID[:], b.WorkerID[:]))
}

func mostFree(a, b *filed, from uint64) int {
	return cmp.Or(cmp.Compare(b.Free, a.Free), preferred(a, b, from))
}

// point is the place of an id on the ring: FNV-1a, then the finalizer of MurmurHash3,
// which spreads ids that differ in one byte. No seed, so the same question always has the
// same answer.
func point(id [16]byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range id {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
