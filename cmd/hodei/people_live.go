package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// liveLine is the last line of a terminal, which tells how something stands
// while its output scrolls by above. It is painted a few times a second at
// most, and only where no line of the output has been begun.
type liveLine struct {
	to  io.Writer
	now func() time.Time

	mu      sync.Mutex
	text    string
	since   time.Time
	until   time.Time // when it may be done, zero where that is not known
	turn    int
	painted bool
	begun   bool // a line of the output is not ended yet
}

const (
	wipe     = "\r\x1b[K"
	noWrap   = "\x1b[?7l"
	wrap     = "\x1b[?7h"
	liveTick = 200 * time.Millisecond
)

// live is a line at the foot of the person's terminal, nil where there is none.
func (s *session) live() *liveLine {
	if !terminal(s.errs) || s.format == "json" {
		return nil
	}
	return &liveLine{to: s.errs, now: s.now, since: s.now()}
}

// tell changes what the line says.
func (l *liveLine) tell(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// run paints the line until ctx is done, and wipes it.
func (l *liveLine) run(ctx context.Context) {
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

func (l *liveLine) paint() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun || l.text == "" {
		return
	}
	text := fmt.Sprintf("%c %s · %s", spinner[l.turn%len(spinner)], l.text, l.now().Sub(l.since).Truncate(time.Second))
	if left := l.until.Sub(l.now()).Round(time.Second); left > 0 {
		text += fmt.Sprintf(" · about %s left", left)
	}
	l.turn++
	l.painted = true
	io.WriteString(l.to, noWrap+wipe+text+wrap) // a line that cannot be shown is not missed
}

// wipe leaves the terminal as if the line had never been there.
func (l *liveLine) wipe() {
	if l.painted {
		io.WriteString(l.to, wipe)
		l.painted = false
	}
}

// above is w, where what is written to it must not meet the line: a terminal.
func (l *liveLine) above(w io.Writer) io.Writer {
	if l == nil || !terminal(w) {
		return w
	}
	return aboveLine{l, w}
}

type aboveLine struct {
	line *liveLine
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
