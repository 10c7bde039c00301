package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
)

// watchEvery is the time between two looks.
const watchEvery = 2 * time.Second

// watch shows something again and again until ctx is done: in place on a terminal, else
// whenever it has changed. Once the system has answered, watch goes on while the system is
// unavailable.
func (s *Session) watch(ctx context.Context, show func(*Session) error) error {
	var last string
	for seen := false; ; seen = true {
		var data, words bytes.Buffer
		frame := *s
		frame.Out, frame.Errs, frame.screen = &data, &words, s.Out
		frame.names.unavailable(false) // the system may be back
		err := show(&frame)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(cmdline.ExitStatus)): // it has been shown
		case err != nil && !(seen && errors.Is(err, hodei.Unavailable)):
			return err
		case err != nil:
			data.Reset()
			words.Reset()
			words.WriteString(render.OneLine(err) + "; trying again\n")
		}
		switch now := data.String() + words.String(); {
		case render.IsTerminal(s.Out):
			_, err = io.WriteString(s.Out, render.Repaint(now, render.Height(s.Out), !seen))
		case now != last:
			_, err = s.Out.Write(data.Bytes())
			_, _ = s.Errs.Write(words.Bytes())
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
