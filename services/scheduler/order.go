package scheduler

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
)

// order is how priority and age are weighed: waiting for Ageing counts as much
// as one level of priority, so nothing starves. Because everything ages alike,
// two executions never change places: each has one rank for ever. A negative
// order never lets age outweigh priority.
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

// line is the executions of one priority that wait, oldest first.
type line []*entry

func (l line) find(e *entry) (int, bool) {
	return slices.BinarySearchFunc(l, e, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.since().UnixMilli(), b.since().UnixMilli()), bytes.Compare(a.req.ID[:], b.req.ID[:]))
	})
}

// add costs little at the end, where nearly all come.
func (l *line) add(e *entry) {
	if at, there := l.find(e); !there {
		*l = slices.Insert(*l, at, e)
	}
}

// remove costs little at the beginning, where nearly all leave.
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

// before is how many of the line have waited since before the given time in
// milliseconds.
func (l line) before(ms int64) int {
	n, _ := slices.BinarySearchFunc(l, ms, func(e *entry, ms int64) int {
		if e.since().UnixMilli() < ms {
			return -1
		}
		return 1
	})
	return n
}

// position is the place of an execution in all the lines, counted from 1.
func (o order) position(lines *[hodei.MaxPriority + 1]line, e *entry) int {
	rank, n := o.rank(e.since(), e.priority), 1
	for p := range lines {
		if p == e.priority {
			at, _ := lines[p].find(e)
			n += at
		} else {
			n += lines[p].before(rank + o.worth(p))
		}
	}
	return n
}
