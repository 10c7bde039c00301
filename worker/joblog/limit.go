package joblog

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// Limit bounds how much of the output of one execution is recorded. The command
// runs on beyond it: its output is read and dropped. The zero value has no bound.
type Limit struct {
	Bytes int64  // of output, line ends included; 0 for no bound
	Raise string // what raises it
}

// limited is the state of a Limit.
type limited struct {
	Limit
	taken        int64
	lines, bytes int64 // that were dropped
}

// admit adds a line of output if it is within the limit. A line that states the limit
// replaces the first line beyond.
func (j *Journal) admit(line []byte, partial bool) {
	l, size := &j.limit, int64(len(line))
	if !partial {
		size++
	}
	if l.lines == 0 && (l.Bytes == 0 || l.taken+size <= l.Bytes) {
		l.taken += size
		j.add(line, partial)
		return
	}
	if l.lines == 0 {
		j.note(fmt.Sprintf("[hodei] the log limit of %s is reached: the rest of the output is not recorded, "+
			"the command runs on; raise it with %s", humanize.IBytes(uint64(l.Bytes)), l.Raise))
	}
	l.lines, l.bytes = l.lines+1, l.bytes+size
}

// noteDropped adds a line that states how much was discarded.
func (j *Journal) noteDropped() {
	if l := &j.limit; l.lines > 0 {
		j.note(fmt.Sprintf("[hodei] %d lines of output (%s) are not recorded, because of the log limit",
			l.lines, humanize.IBytes(uint64(l.bytes))))
	}
}
