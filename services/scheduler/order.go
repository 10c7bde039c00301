package scheduler

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// order is the waiting time that counts as one level of priority, so nothing starves.
// All executions age at the same rate, so the rank of an execution is constant. With a
// negative order, age never outweighs priority.
type order time.Duration

// rank is the place of an execution: the lower comes first, the id decides
// between equals. It is the moment since which it waits, in milliseconds, put back
// by what its priority is worth.
func (o order) rank(since time.Time, priority int) int64 {
	return since.UnixMilli() - o.worth(priority)
}

func (o order) worth(priority int) int64 {
	if o < 0 {
		return int64(priority) << 50 // more than any age
	}
	return int64(priority) * time.Duration(o).Milliseconds()
}

// line contains the queued executions of one priority, oldest first.
type line []*entry

func (l line) find(e *entry) (int, bool) {
	return slices.BinarySearchFunc(l, e, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.since().UnixMilli(), b.since().UnixMilli()), bytes.Compare(a.req.ID[:], b.req.ID[:]))
	})
}

// add inserts the id. It is cheap at the end, where nearly all are inserted.
func (l *line) add(e *entry) {
	if at, there := l.find(e); !there {
		*l = slices.Insert(*l, at, e)
	}
}

// remove removes the id. It is cheap at the beginning, where nearly all are removed.
func (l *line) remove(e *entry) {
	switch at, there := l.find(e); {
	case !there:
	case at == 0:
		(*l)[0] = nil
		*l = (*l)[1:]
	default:
		*l = slices.Delete(*l, at, at+1)
	}
}

// countOlder returns how many of the line have waited since before the given time in
// milliseconds.
func (l line) countOlder(ms int64) int {
	n, _ := slices.BinarySearchFunc(l, ms, func(e *entry, ms int64) int {
		if e.since().UnixMilli() < ms {
			return -1
		}
		return 1
	})
	return n
}

// position returns the place of an execution among all lines, from 1.
func (o order) position(lines *[hodei.MaxPriority + 1]line, e *entry) int {
	rank, n := o.rank(e.since(), e.priority), 1
	for p := range lines {
		if p == e.priority {
			at, _ := lines[p].find(e)
			n += at
		} else {
			n += lines[p].countOlder(rank + o.worth(p))
		}
	}
	return n
}
