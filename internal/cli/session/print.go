package session

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// Table prints rows under upper-case headers. On a terminal it fits; elsewhere nothing is shortened, for scripts.
func (s *Session) Table(headers []string, rows [][]string) error {
	return render.Table(s.Out, s.width(), headers, rows)
}

// Advice prints a table whose last column a person must be able to read in full.
func (s *Session) Advice(headers []string, rows [][]string) error {
	return render.Advice(s.Out, s.width(), headers, rows)
}

// width is the number of columns of the terminal that shows Out, 0 without one.
func (s *Session) width() int { return render.Width(cmp.Or(s.screen, s.Out)) }

// Record prints one record, a field a line.
func (s *Session) Record(fields ...render.Field) error { return render.Record(s.Out, fields...) }

// List prints a page of records as a table.
func List[Req, T any](ctx context.Context, s *Session, op schemas.Operation[Req, schemas.List[T]], req Req,
	headers []string, row func(T) []string) error {
	return Ask(ctx, s, op, req, func(l schemas.List[T]) error {
		if len(l.Items) == 0 {
			noun, _, _ := strings.Cut(op.Name, ".")
			s.Note("no %s", noun)
			return nil
		}
		rows := make([][]string, len(l.Items))
		for i, item := range l.Items {
			rows[i] = row(item)
		}
		if l.NextCursor != nil {
			defer s.Note("more results: --limit up to 1000, or --cursor %s", *l.NextCursor)
		}
		return s.Table(headers, rows)
	})
}

// Age is how long ago it was, to one unit.
func (s *Session) Age(t time.Time) string { return span(s.Now().Sub(t)) }

// span is a duration, to one unit.
func span(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// Moment returns a time and its distance from now, such as "2h ago".
func (s *Session) Moment(t *time.Time) string {
	if t == nil {
		return render.None
	}
	text, ahead := t.UTC().Format(time.RFC3339), t.Sub(s.Now())
	if ahead >= time.Second { // less may be the difference of two clocks
		return fmt.Sprintf("%s (in %s)", text, span(ahead))
	}
	return fmt.Sprintf("%s (%s ago)", text, span(-ahead))
}

// Status is a status, in its colour on a terminal.
func Status[S ~string](s *Session, value S) string {
	if !s.color {
		return string(value)
	}
	return render.Status(string(value))
}

// LiveLine is the last line of the terminal, nil without a terminal.
func (s *Session) LiveLine() *render.LiveLine {
	if !render.IsTerminal(s.Errs) || s.Format == "json" {
		return nil
	}
	return render.NewLiveLine(s.Errs, s.Now)
}

// PrintID prints an identifier alone, for other commands to take.
func (s *Session) PrintID(id fmt.Stringer) error {
	_, err := fmt.Fprintln(s.Out, id)
	return err
}

// Brief is a command as a table shows it.
func Brief(c hodei.Command) string {
	if c.IsZero() {
		return render.None
	}
	return render.Clip(c.String(), 40)
}

// Seen is the age of the last message from a worker.
func (s *Session) Seen(w hodei.Worker) string {
	if w.LastSeenAt == nil {
		return render.None
	}
	return s.Age(*w.LastSeenAt)
}

// Change is a line about a change, which starts with +, - or ~.
func (s *Session) Change(line string) string {
	if !s.color {
		return line
	}
	return render.Change(line)
}
