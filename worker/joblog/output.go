package joblog

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

const (
	// holdFor is how long the end of a line waits for the rest of a secret.
	holdFor = 50 * time.Millisecond
	// addMask begins a line that adds a value to mask, as on GitHub. The line is not in
	// the log.
	addMask = "::add-mask::"
	// maxIndent bounds the blanks before addMask, in bytes. A line with more is output.
	maxIndent = 4 << 10
	// maxMasks and maxMaskBytes bound the values of one execution: the number of all, and
	// the bytes of those that its output adds. The masker needs memory of up to 2000 times
	// that size.
	maxMasks     = 1000
	maxMaskBytes = hodei.MaxSecrets
)

// output is one stream on its way into the log: lines that add a value are taken out, the
// values are masked, and the rest is split into lines.
type output struct {
	j      *Journal
	stream hodei.Stream
	masker *mask.Masker
	lines  splitter

	within bool   // the next byte is not the first of its line
	start  []byte // of a line that may add a value
	lost   bool   // the rest of a line that is too long to add a value

	moved  bool // the masker has emitted something in this write
	heldAt time.Time
	late   *time.Timer // nil until a line was held back
}

func newOutput(j *Journal, stream hodei.Stream) *output {
	o := &output{j: j, stream: stream, lines: splitter{emit: j.admit}}
	o.masker = mask.NewMasker(j.secrets, func(p []byte) {
		o.moved = true
		o.lines.write(p)
	})
	return o
}

// write adds output. The journal is locked.
func (o *output) write(p []byte) {
	if len(o.start) == 0 && !o.lost && !bytes.Contains(p, []byte(addMask)) && !o.endsInCommand(p) {
		o.within = p[len(p)-1] != '\n'
		o.mask(p)
		return
	}
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		line, whole := p[:n], n > 0
		if !whole {
			line, n = p, len(p)
		}
		o.line(line, whole)
		p = p[n:]
	}
}

// endsInCommand reports whether the last line of p may be the start of one that adds a
// value.
func (o *output) endsInCommand(p []byte) bool {
	last := bytes.LastIndexByte(p, '\n')
	return last+1 < len(p) && (last >= 0 || !o.within) && mayAdd(p[last+1:])
}

// mayAdd reports whether the start of a line may be that of one that adds a value.
func mayAdd(line []byte) bool {
	start := bytes.TrimLeft(line, " \t")
	if len(line)-len(start) > maxIndent {
		return false
	}
	return bytes.HasPrefix(start, []byte(addMask)) || bytes.HasPrefix([]byte(addMask), start)
}

// line takes a line, or a part of one that is not whole yet.
func (o *output) line(p []byte, whole bool) {
	switch {
	case o.lost:
		o.lost = !whole
		return
	case o.within:
		o.within = !whole
		o.mask(p)
		return
	}
	o.start = append(o.start, p...)
	switch {
	case !mayAdd(o.start) || whole && !bytes.Contains(o.start, []byte(addMask)):
		o.within = !whole
		o.mask(o.start)
	case whole:
		_, value, _ := strings.Cut(string(o.start), addMask)
		o.add(value)
	case len(o.start) > 3*hodei.MaxSecret+len(addMask):
		o.lost = true
		o.note("a value of more than %d KiB cannot be masked", hodei.MaxSecret>>10)
	default:
		return
	}
	o.start = o.start[:0]
}

// add adds a value, in which GitHub's escapes stand for line breaks.
func (o *output) add(value string) {
	value = strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n").Replace(strings.TrimRight(value, "\r\n"))
	switch {
	case o.j.secrets.Has(value):
	case o.j.secrets.Len() >= maxMasks:
		o.note("more than %d values: this one is not masked", maxMasks)
	case o.j.added+len(value) > maxMaskBytes:
		o.note("more than %d KiB of values: this one is not masked", maxMaskBytes>>10)
	case !o.j.secrets.Add(value):
		o.note("a value of fewer than %d characters is not masked", mask.MinLength)
	default:
		o.j.added += len(value)
	}
}

func (o *output) note(format string, args ...any) {
	o.j.note("hodei: mask: " + fmt.Sprintf(format, args...))
	o.j.begin(o.stream, o.j.at)
}

// mask passes output on. If the end of a line is held back, release follows.
func (o *output) mask(p []byte) {
	held := o.masker.Holding()
	o.moved = false
	o.masker.Write(p)
	if !o.masker.Holding() || held && !o.moved {
		return
	}
	o.heldAt = time.Now()
	if o.late == nil {
		o.late = time.AfterFunc(holdFor, o.release)
	} else if !held {
		o.late.Reset(holdFor)
	}
}

// release passes on the end of a line that was held back for long enough.
func (o *output) release() {
	o.j.splitting(o, time.Now(), func(*output) {
		if !o.masker.Holding() {
			return
		}
		if left := holdFor - time.Since(o.heldAt); left > 0 {
			o.late.Reset(left)
			return
		}
		o.masker.Release()
	})
}

// close adds what no line end has ended. The stream may go on, with other output.
func (o *output) close() {
	if len(o.start) > 0 {
		if _, value, is := strings.Cut(string(o.start), addMask); is {
			o.add(value)
		} else {
			o.mask(o.start)
		}
	}
	o.start, o.lost, o.within = nil, false, false
	o.masker.Release()
	o.lines.close()
}

// stop ends the timer. The journal is closed.
func (o *output) stop() {
	if o.late != nil {
		o.late.Stop()
	}
}
