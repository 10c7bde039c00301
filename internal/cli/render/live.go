package render

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// LiveLine is the last line of a terminal. It shows the state of something while its
// output scrolls by above. It is painted a few times a second at most, and only while the
// output ends with a newline.
type LiveLine struct {
	to  io.Writer
	now func() time.Time

	mu      sync.Mutex
	text    string
	since   time.Time
	Until   time.Time // expected end, zero when that is not known
	turn    int
	painted bool
	begun   bool // a line of the output is not ended yet
}

const (
	// Wipe returns to the beginning of the line and clears it.
	Wipe     = "\r\x1b[K"
	noWrap   = "\x1b[?7l"
	wrap     = "\x1b[?7h"
	liveTick = 200 * time.Millisecond
)

// NewLiveLine is a line that is painted to a terminal, and counts the time from now on.
func NewLiveLine(to io.Writer, now func() time.Time) *LiveLine {
	return &LiveLine{to: to, now: now, since: now()}
}

// Set changes the text of the line.
func (l *LiveLine) Set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// Run paints the line until ctx is done, and wipes it.
func (l *LiveLine) Run(ctx context.Context) {
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			l.wipe()
			return
		case <-tick.C:
			l.paint()
		}
	}
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func (l *LiveLine) paint() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun || l.text == "" {
		return
	}
	text := fmt.Sprintf("%c %s · %s", spinner[l.turn%len(spinner)], l.text, l.now().Sub(l.since).Truncate(time.Second))
	if left := l.Until.Sub(l.now()).Round(time.Second); left > 0 {
		text += fmt.Sprintf(" · about %s left", left)
	}
	l.turn++
	l.painted = true
	io.WriteString(l.to, noWrap+Wipe+text+wrap) // a line that cannot be shown is not missed
}

// wipe removes the line from the terminal.
func (l *LiveLine) wipe() {
	if l.painted {
		io.WriteString(l.to, Wipe)
		l.painted = false
	}
}

// above returns w. If w is a terminal, writing to it removes the line first.
func (l *LiveLine) above(w io.Writer) io.Writer {
	if l == nil || !IsTerminal(w) {
		return w
	}
	return aboveLine{l, w}
}

type aboveLine struct {
	line *LiveLine
	w    io.Writer
}

func (a aboveLine) Write(p []byte) (int, error) {
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	a.line.wipe()
	if len(p) > 0 {
		a.line.begun = p[len(p)-1] != '\n'
	}
	return a.w.Write(p)
}
