package render

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Filter is a writer for a terminal that passes on the output of commands
// without the control sequences that would steer the terminal: those that set the
// clipboard or the title, move the cursor, or make the terminal send an answer.
// Text, tabs, carriage returns and colours (CSI … m) pass. DEL, the C1 control
// characters and those that change the writing direction are shown as \u009b.
//
// The state survives from one Write to the next, so a sequence may be cut
// anywhere. A newline ends every sequence: one without an end hides no more than
// the rest of its line.
type Filter struct {
	to      io.Writer
	part    []byte // of a rune, the end of the last Write
	at      escapeState
	params  []byte // of a CSI sequence
	colored bool   // since the last reset
}

// escapeState is a place in the grammar of control sequences (ECMA-48).
type escapeState int

const (
	inText      escapeState = iota
	inEscape                // after ESC
	inShort                 // after ESC and an intermediate character
	inCSI                   // after ESC [
	inString                // in OSC, DCS, SOS, PM or APC, up to BEL or ST
	atStringEnd             // after ESC in a string
)

const (
	esc = 0x1b
	// longestSGR bounds the parameters of a colour. Longer ones are dropped.
	longestSGR = 64
)

// ForTerminal returns w, behind the filter and above the foot if it is a
// terminal.
func ForTerminal(w io.Writer, foot *Foot) io.Writer {
	if !IsTerminal(w) {
		return w
	}
	return &Filter{to: foot.above(w)}
}

func (h *Filter) Write(p []byte) (int, error) {
	text := append(h.part, p...)
	var out strings.Builder
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		h.step(&out, r)
		text = text[size:]
	}
	h.part = text
	if _, err := io.WriteString(h.to, out.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Reset ends a colour that the output has left on.
func (h *Filter) Reset() {
	if h.colored {
		_, _ = io.WriteString(h.to, "\x1b[0m") // a colour that stays does no harm
		h.colored = false
	}
}

// step takes the next rune. A rune that cannot continue a sequence ends it and is
// taken as text.
func (h *Filter) step(out *strings.Builder, r rune) {
	switch h.at {
	case inText:
		h.text(out, r)
	case inEscape:
		h.escape(out, r)
	case inShort:
		switch {
		case r < 0x20 || r > 0x7e:
			h.text(out, r)
		case r >= 0x30:
			h.at = inText
		}
	case inCSI:
		h.csi(out, r)
	case inString:
		switch r {
		case '\a', 0x18, 0x1a, 0x9c:
			h.at = inText
		case esc:
			h.at = atStringEnd
		case '\n':
			h.text(out, r)
		}
	case atStringEnd:
		if h.at = inText; r != '\\' {
			h.escape(out, r)
		}
	}
}

// text takes a rune outside of all sequences.
func (h *Filter) text(out *strings.Builder, r rune) {
	h.at = inText
	switch {
	case r == esc:
		h.at = inEscape
	case r == '\n' || r == '\t' || r == '\r':
		out.WriteRune(r)
	case r < 0x20:
	case r >= 0x7f && r < 0xa0 || turns(r):
		fmt.Fprintf(out, `\u%04x`, r) // in JSON the same character
	default:
		out.WriteRune(r)
	}
}

func (h *Filter) escape(out *strings.Builder, r rune) {
	switch {
	case r == '[':
		h.at, h.params = inCSI, h.params[:0]
	case strings.ContainsRune("]PX^_", r):
		h.at = inString
	case r < 0x20 || r > 0x7e:
		h.text(out, r)
	case r < 0x30:
		h.at = inShort
	default:
		h.at = inText
	}
}

// csi takes a rune of a CSI sequence and writes the sequence if it sets colours.
// Other parameters than digits make an m something else: CSI > 4 m has the
// terminal send other keys.
func (h *Filter) csi(out *strings.Builder, r rune) {
	switch {
	case r < 0x20 || r > 0x7e:
		h.text(out, r)
	case r < 0x40:
		if len(h.params) <= longestSGR {
			h.params = append(h.params, byte(r))
		}
	default:
		h.at = inText
		params := string(h.params)
		if r == 'm' && len(params) <= longestSGR && strings.Trim(params, "0123456789;:") == "" {
			out.WriteString("\x1b[" + params + "m")
			h.colored = params != "" && params != "0"
		}
	}
}

// turns reports whether the character changes the writing direction of others,
// so that a line does not read as what it is.
func turns(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// InColor reports whether w may get colours: it is a terminal, and NO_COLOR is not set.
func InColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && IsTerminal(w)
}
