package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/hodei-jobs/hodei/schemas"
)

// none stands for what is not known or not there.
const none = "-"

// table prints rows under upper-case headers.
func (s *session) table(headers []string, rows [][]string) error {
	t := table.NewWriter()
	t.AppendHeader(cells(headers))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	return s.render(t)
}

// field is a line of a record.
type field struct{ name, value string }

// record prints one record, a field a line.
func (s *session) record(fields ...field) error {
	t := table.NewWriter()
	for _, f := range fields {
		t.AppendRow(table.Row{f.name, f.value})
	}
	return s.render(t)
}

func (s *session) render(t table.Writer) error {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "   "
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	_, err := fmt.Fprintln(s.out, t.Render())
	return err
}

func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = v
	}
	return row
}

// list prints a page of records as a table.
func list[Req, T any](ctx context.Context, s *session, op schemas.Operation[Req, schemas.List[T]], req Req,
	headers []string, row func(T) []string) error {
	return ask(ctx, s, op, req, func(l schemas.List[T]) error {
		if len(l.Items) == 0 {
			noun, _, _ := strings.Cut(op.Name, ".")
			s.say("no %s", noun)
			return nil
		}
		rows := make([][]string, len(l.Items))
		for i, item := range l.Items {
			rows[i] = row(item)
		}
		if l.NextCursor != nil {
			defer s.say("there are more: --limit up to 1000, or --cursor %s", *l.NextCursor)
		}
		return s.table(headers, rows)
	})
}

// age is how long ago it was, to one unit.
func (s *session) age(t time.Time) string {
	switch d := max(0, s.now().Sub(t)); {
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

// moment is a time, and how long ago that was.
func (s *session) moment(t *time.Time) string {
	if t == nil {
		return none
	}
	return fmt.Sprintf("%s (%s ago)", t.UTC().Format(time.RFC3339), s.age(*t))
}

// took is a number of seconds, as 120ms, 1.2s or 3m20s.
func took(seconds *float64) string {
	if seconds == nil {
		return none
	}
	switch d := time.Duration(*seconds * float64(time.Second)); {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// clipped is the text on one line of at most width runes, without control
// characters: what others wrote must not steer the terminal.
func clipped(text string, width int) string {
	runes := []rune(plain(text))
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return string(runes)
}

func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || turns(r) {
			return ' '
		}
		return r
	}, text)
}

// or is the value, none when there is none.
func or[T ~string](value *T) string {
	if value == nil || *value == "" {
		return none
	}
	return plain(string(*value))
}

func number(n *int) string {
	if n == nil {
		return none
	}
	return strconv.Itoa(*n)
}

func labels(of map[string]string) string {
	if len(of) == 0 {
		return none
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		words = append(words, key+"="+of[key])
	}
	return plain(strings.Join(words, " "))
}

// status is a status in its colour, for a person at a terminal.

// colors are those of the statuses that have one.
var colors = map[string]text.Color{
	"COMPLETED": text.FgGreen, "AVAILABLE": text.FgGreen, "ok": text.FgGreen,
	"RUNNING": text.FgCyan, "BUSY": text.FgCyan,
	"FAILED": text.FgRed, "TIMED_OUT": text.FgRed, "OFFLINE": text.FgRed, "fail": text.FgRed,
	"PENDING": text.FgYellow, "CANCELLED": text.FgYellow, "DRAINING": text.FgYellow, "TERMINATING": text.FgYellow, "warn": text.FgYellow,
}

// status is a status in its colour, for a person at a terminal.
func status[S ~string](s *session, value S) string {
	color, ok := colors[string(value)]
	if !s.color || !ok {
		return string(value)
	}
	return color.Sprint(string(value))
}
