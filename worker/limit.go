package worker

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei/schemas"
)

// logLimit bounds how much of the output of one execution is recorded. The command
// runs on beyond it: its output is read and dropped. The zero value has no bound.
type logLimit struct {
	most  int64  // bytes of output, line ends included
	raise string // how to raise it
	taken int64
	// lines and bytes are dropped.
	lines, bytes int64
}

// logLimit is that of the worker, or that of the execution if it is lower.
func (w *Worker) logLimit(req *schemas.ExecutionRequest) logLimit {
	if own := req.LogLimit; own != nil && *own < w.cfg.LogLimit {
		return logLimit{most: *own, raise: "log_limit of the job"}
	}
	return logLimit{most: w.cfg.LogLimit, raise: "--log-limit of the worker"}
}

// admit adds a line of output if it is within the limit. A line that states the limit
// replaces the first line beyond.
func (j *journal) admit(line []byte, partial bool) {
	l, size := &j.limit, int64(len(line))
	if !partial {
		size++
	}
	if l.lines == 0 && (l.most == 0 || l.taken+size <= l.most) {
		l.taken += size
		j.add(line, partial)
		return
	}
	if l.lines == 0 {
		j.note(fmt.Sprintf("[hodei] the log limit of %s is reached: the rest of the output is not recorded, "+
			"the command runs on; raise it with %s", humanize.IBytes(uint64(l.most)), l.raise))
	}
	l.lines, l.bytes = l.lines+1, l.bytes+size
}

// noteDropped adds a line that states how much was dropped.
func (j *journal) noteDropped() {
	if l := &j.limit; l.lines > 0 {
		j.note(fmt.Sprintf("[hodei] %d lines of output (%s) are not recorded, because of the log limit",
			l.lines, humanize.IBytes(uint64(l.bytes))))
	}
}
