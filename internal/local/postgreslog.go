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

// postgresLog forwards the server's output to slog line by line. It keeps the
// reason why a server ended: its last fatal line, or its last lines without a
// level, which Postgres prints before it has a log.
type postgresLog struct {
	log   *slog.Logger
	rest  []byte
	last  string
	plain []string
}

// mostPlain is the maximum number of lines of such a message.
const mostPlain = 3

const longestLine = 64 << 10

// Write is called from one goroutine only.
func (l *postgresLog) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			if len(l.rest) > longestLine {
				l.file(string(l.rest))
				l.rest = nil
			}
			return len(b), nil
		}
		l.file(string(line))
		l.rest = rest
	}
}

// file logs a line at its level. An ERROR of a statement is logged as debug,
// because its client receives it too.
func (l *postgresLog) file(line string) {
	level := slog.LevelDebug
	word, text, _ := strings.Cut(line, ":")
	switch word {
	case "FATAL":
		l.last = strings.TrimSpace(text)
	case "PANIC":
		l.last, level = strings.TrimSpace(text), slog.LevelError
	case "DETAIL":
		if l.last != "" {
			l.last += ": " + strings.Trim(text, " .")
		}
	case "WARNING":
		level = slog.LevelWarn
	case "LOG", "HINT", "ERROR", "STATEMENT", "CONTEXT":
	default:
		if l.plain = append(l.plain, strings.TrimSpace(line)); len(l.plain) > mostPlain {
			l.plain = l.plain[1:]
		}
	}
	l.log.Log(context.Background(), level, line, "server", "postgres")
}

// explain returns why the server ended. It must have ended.
func (l *postgresLog) explain(err error) error {
	err = cmp.Or(err, errors.New("ended by itself"))
	if why := cmp.Or(l.last, strings.Join(l.plain, " ")); why != "" {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}
