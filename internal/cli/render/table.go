package render

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Field is a line of a record: its name and its value.
type Field [2]string

// Table prints rows under upper-case headers, at most width columns wide, where 0 stands for any width.
func Table(w io.Writer, width int, headers []string, rows [][]string) error {
	rows, space := fit(append([][]string{headers}, rows...), width)
	t := table.NewWriter()
	t.AppendHeader(cells(rows[0]))
	for _, row := range rows[1:] {
		t.AppendRow(cells(row))
	}
	return render(w, t, space)
}

// Advice prints rows as Table does, but breaks the texts in the last column between words: a person needs all of them.
func Advice(w io.Writer, width int, headers []string, rows [][]string) error {
	all := append([][]string{headers}, rows...)
	last := len(headers) - 1
	const least = 20 // less is no text that a person reads
	if room := width - sum(widths(all)[:last]) - between(all, gap); width > 0 && room >= least {
		rows = each(rows, func(i int, cell string) string {
			if i < last {
				return cell
			}
			return text.WrapSoft(cell, room)
		})
	}
	return Table(w, 0, headers, rows)
}

// Record prints one record, a field a line.
func Record(w io.Writer, fields ...Field) error {
	t := table.NewWriter()
	for _, f := range fields {
		t.AppendRow(table.Row{f[0], f[1]})
	}
	return render(w, t, gap)
}

// render prints the table without borders, with so much space between its columns.
func render(w io.Writer, t table.Writer, space string) error {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", space
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = v
	}
	return row
}

// Status is the status in its colour, if it has one.
func Status(status string) string {
	color, ok := colors[status]
	if !ok {
		return status
	}
	return color.Sprint(status)
}

// InStatusColour is the text in the colour of the status.
func InStatusColour(status, text string) string {
	if color, ok := colors[status]; ok {
		return color.Sprint(text)
	}
	return text
}

// prefixes are the colours of Prefix.
var prefixes = []text.Color{text.FgCyan, text.FgMagenta, text.FgBlue, text.FgGreen, text.FgYellow, text.FgHiCyan, text.FgHiMagenta, text.FgHiBlue}

// Prefix is the text in one of a few colours, the same for the same n.
func Prefix(n int, text string) string { return prefixes[n%len(prefixes)].Sprint(text) }

// colors are those of the statuses that have one.
var colors = map[string]text.Color{
	"COMPLETED": text.FgGreen, "AVAILABLE": text.FgGreen, "ok": text.FgGreen,
	"RUNNING": text.FgCyan, "BUSY": text.FgCyan,
	"FAILED": text.FgRed, "TIMED_OUT": text.FgRed, "OFFLINE": text.FgRed, "fail": text.FgRed,
	"PENDING": text.FgYellow, "BLOCKED": text.FgYellow, "CANCELLED": text.FgYellow, "DRAINING": text.FgYellow, "TERMINATING": text.FgYellow, "warn": text.FgYellow,
}

// Change is a line about a change, in the colour of its sign.
func Change(line string) string {
	switch line[:1] {
	case "+":
		return text.FgGreen.Sprint(line)
	case "-":
		return text.FgRed.Sprint(line)
	}
	return text.FgYellow.Sprint(line)
}
