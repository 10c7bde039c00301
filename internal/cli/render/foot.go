package render

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// Foot is the last lines of a terminal. They show the state of something while its output
// scrolls by above. They are painted a few times a second at most, and only while the
// output ends with a newline.
type Foot struct {
	to   io.Writer
	draw func() []string

	mu      sync.Mutex
	painted int  // lines
	begun   bool // a line of the output is not ended yet
}

const (
	// Wipe returns to the beginning of the line and clears it.
	Wipe     = "\r\x1b[K"
	wipeUp   = "\x1b[A\x1b[K" // clears the line above
	noWrap   = "\x1b[?7l"
	wrap     = "\x1b[?7h"
	footTick = 200 * time.Millisecond
)

// NewFoot is a foot of the terminal that shows the lines that draw returns. Draw must not
// write to the terminal, and must return fewer lines than it has rows.
func NewFoot(to io.Writer, draw func() []string) *Foot { return &Foot{to: to, draw: draw} }

// Run paints the foot until ctx is done, and wipes it.
func (f *Foot) Run(ctx context.Context) {
	tick := time.NewTicker(footTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.mu.Lock()
			defer f.mu.Unlock()
			f.wipe()
			return
		case <-tick.C:
			f.paint()
		}
	}
}

func (f *Foot) paint() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun {
		return
	}
	lines := f.draw()
	if len(lines) == 0 {
		return
	}
	wiped := f.wiping()
	f.painted = len(lines)
	io.WriteString(f.to, noWrap+wiped+strings.Join(lines, "\r\n")+wrap) // a line that cannot be shown is not missed
}

// wiping removes what is painted; for nothing it clears the line.
func (f *Foot) wiping() string { return Wipe + strings.Repeat(wipeUp, max(0, f.painted-1)) }

func (f *Foot) wipe() {
	if f.painted > 0 {
		io.WriteString(f.to, f.wiping())
		f.painted = 0
	}
}

// above returns w. If w is a terminal, writing to it removes the foot first.
func (f *Foot) above(w io.Writer) io.Writer {
	if f == nil || !IsTerminal(w) {
		return w
	}
	return aboveFoot{f, w}
}

type aboveFoot struct {
	foot *Foot
	w    io.Writer
}

func (a aboveFoot) Write(p []byte) (int, error) {
	a.foot.mu.Lock()
	defer a.foot.mu.Unlock()
	a.foot.wipe()
	if len(p) > 0 {
		a.foot.begun = p[len(p)-1] != '\n'
	}
	return a.w.Write(p)
}
