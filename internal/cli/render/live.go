package render

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// LiveLine is a foot of one line, with a text and the time that has passed.
type LiveLine struct {
	Until time.Time // expected end, zero when that is not known

	foot  *Foot
	now   func() time.Time
	since time.Time
	mu    sync.Mutex
	text  string
	turn  int
}

// NewLiveLine is a line that is painted to a terminal, and counts the time from now on.
func NewLiveLine(to io.Writer, now func() time.Time) *LiveLine {
	l := &LiveLine{now: now, since: now()}
	l.foot = NewFoot(to, l.draw)
	return l
}

// Foot is the line as a foot of the terminal, nil for none.
func (l *LiveLine) Foot() *Foot {
	if l == nil {
		return nil
	}
	return l.foot
}

// Set changes the text of the line.
func (l *LiveLine) Set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// Run paints the line until ctx is done, and wipes it.
func (l *LiveLine) Run(ctx context.Context) { l.foot.Run(ctx) }

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// Spinner is the sign of something under way; it turns with each call.
func Spinner(turn int) rune { return spinner[turn%len(spinner)] }

func (l *LiveLine) draw() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return nil
	}
	text := fmt.Sprintf("%c %s · %s", Spinner(l.turn), l.text, l.now().Sub(l.since).Truncate(time.Second))
	if left := l.Until.Sub(l.now()).Round(time.Second); left > 0 {
		text += fmt.Sprintf(" · about %s left", left)
	}
	l.turn++
	return []string{text}
}
