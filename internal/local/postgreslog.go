package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// postgresLog hands what the server writes to slog, a line at a time, and
// remembers the last fatal one: it says why a server ended.
type postgresLog struct {
	log  *slog.Logger
	rest []byte
	last string
}

const longestLine = 64 << 10

// Write is called from one goroutine.
func (l *postgresLog) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			if len(l.rest) > longestLine {
				l.say(string(l.rest))
				l.rest = nil
			}
			return len(b), nil
		}
		l.say(string(line))
		l.rest = rest
	}
}

// say files a line under its level. A statement's ERROR is its client's
// affair, who is told of it too.
func (l *postgresLog) say(line string) {
	level := slog.LevelDebug
	word, text, _ := strings.Cut(line, ":")
	switch word {
	case "FATAL":
		l.last = strings.TrimSpace(text)
	case "PANIC":
		l.last, level = strings.TrimSpace(text), slog.LevelError
	case "WARNING":
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, line, "server", "postgres")
}

// explain is why the server ended; it must have.
func (l *postgresLog) explain(err error) error {
	if err = cmp.Or(err, errors.New("ended by itself")); l.last == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, l.last)
}
