package render

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Field is a line of a record: its name and its value.
type Field [2]string

// Table prints rows under upper-case headers.
func Table(w io.Writer, headers []string, rows [][]string) error {
	t := table.NewWriter()
	t.AppendHeader(cells(headers))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	return render(w, t)
}

// Record prints one record, a field a line.
func Record(w io.Writer, fields ...Field) error {
	t := table.NewWriter()
	for _, f := range fields {
		t.AppendRow(table.Row{f[0], f[1]})
	}
	return render(w, t)
}

// render prints the table without borders.
func render(w io.Writer, t table.Writer) error {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "   "
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
