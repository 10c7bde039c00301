package render

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Height is the number of rows of a terminal, 24 when it is not known.
func Height(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if _, rows, err := term.GetSize(int(f.Fd())); err == nil && rows > 2 {
			return rows
		}
	}
	return 24
}

// Width is the number of columns of a terminal, 0 when it is not known or w is no terminal.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return columns
		}
	}
	return 0
}

// Repaint is the control sequence that writes the text at the top of a terminal of so many
// rows, line over line. The terminal itself cuts long lines.
func Repaint(text string, rows int, first bool) string {
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
