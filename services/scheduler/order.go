package scheduler

import (
	"bytes"
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
// between equals. It is the moment it was made, in milliseconds, put back by
// what its priority is worth.
func (o order) rank(id hodei.ExecutionID, priority int) int64 {
	return id.Time().UnixMilli() - o.worth(priority)
}

func (o order) worth(priority int) int64 {
	if o < 0 {
		return int64(priority) << 50 // more than any age
	}
	return int64(priority) * time.Duration(o).Milliseconds()
}

// line is the executions of one priority that wait, oldest first.
type line []hodei.ExecutionID

func (l line) find(id hodei.ExecutionID) (int, bool) {
	return slices.BinarySearchFunc(l, id, func(a, b hodei.ExecutionID) int { return bytes.Compare(a[:], b[:]) })
}

// add costs little at the end, where nearly all come.
func (l *line) add(id hodei.ExecutionID) {
	if at, there := l.find(id); !there {
		*l = slices.Insert(*l, at, id)
	}
}

// remove costs little at the beginning, where nearly all leave.
func (l *line) remove(id hodei.ExecutionID) {
	switch at, there := l.find(id); {
	case !there:
	case at == 0:
		*l = (*l)[1:]
	default:
		*l = slices.Delete(*l, at, at+1)
	}
}

// before is how many of the line are older than the given time in
// milliseconds.
func (l line) before(ms int64) int {
	n, _ := slices.BinarySearchFunc(l, ms, func(id hodei.ExecutionID, ms int64) int {
		if id.Time().UnixMilli() < ms {
			return -1
		}
		return 1
	})
	return n
}

// position is the place of an execution in all the lines, counted from 1.
func (o order) position(lines *[hodei.MaxPriority + 1]line, id hodei.ExecutionID, priority int) int {
	rank, n := o.rank(id, priority), 1
	for p := range lines {
		if p == priority {
			at, _ := lines[p].find(id)
			n += at
		} else {
			n += lines[p].before(rank + o.worth(p))
		}
	}
	return n
}
