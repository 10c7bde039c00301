package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/hodei-jobs/hodei"
)

// watchEvery is the time between two looks.
const watchEvery = 2 * time.Second

// watch shows something again and again until ctx is done: on a terminal in
// place, elsewhere whenever it has changed. A system that goes away is waited
// for once it has answered.
func (s *session) watch(ctx context.Context, show func(*session) error) error {
	var last string
	for seen := false; ; seen = true {
		var data, words bytes.Buffer
		frame := *s
		frame.out, frame.errs = &data, &words
		err := show(&frame)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(exitStatus)): // it has been shown
		case err != nil && !(seen && errors.Is(err, hodei.Unavailable)):
			return err
		case err != nil:
			data.Reset()
			words.Reset()
			words.WriteString(oneLine(err) + "; trying again\n")
		}
		switch now := data.String() + words.String(); {
		case terminal(s.out):
			_, err = io.WriteString(s.out, repaint(now, height(s.out), !seen))
		case now != last:
			_, err = s.out.Write(data.Bytes())
			_, _ = s.errs.Write(words.Bytes())
			last = now
		default:
			err = nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}

func height(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if _, rows, err := term.GetSize(int(f.Fd())); err == nil && rows > 2 {
			return rows
		}
	}
	return 24
}

// repaint is what puts the text at the top of a terminal of so many rows, each
// line over what was there. Long lines are cut by the terminal itself.
func repaint(text string, rows int, first bool) string {
	const home, clear, toEnd, below, noWrap, wrap = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J", "\x1b[?7l", "\x1b[?7h"
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > rows-1 {
		lines = append(lines[:rows-2], "…")
	}
	out := noWrap + home
	if first {
		out = noWrap + clear + home
	}
	for _, line := range lines {
		out += line + toEnd + "\n"
	}
	return out + below + wrap
}
