package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// None stands for an unknown or missing value.
const None = "-"

// OneLine is the error on one line. It may quote names and output that others chose, so
// nothing in it steers the terminal.
func OneLine(err error) string {
	return Plain(strings.Join(strings.Fields(err.Error()), " "))
}

// Plain is the text with a space in place of each character that would steer a terminal.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || turns(r) {
			return ' '
		}
		return r
	}, text)
}

// Clip is the text on one line of at most width runes, without control
// characters: what others wrote must not steer the terminal.
func Clip(text string, width int) string {
	runes := []rune(Plain(text))
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return string(runes)
}

// OrNone is the value, None when there is none.
func OrNone[T ~string](value *T) string {
	if value == nil || *value == "" {
		return None
	}
	return Plain(string(*value))
}

// Number is the number, None when there is none.
func Number(n *int) string {
	if n == nil {
		return None
	}
	return strconv.Itoa(*n)
}

// Labels are labels as K=V, in the order of their keys.
func Labels(of map[string]string) string {
	if len(of) == 0 {
		return None
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		words = append(words, key+"="+of[key])
	}
	return Plain(strings.Join(words, " "))
}

// Count is a number of things, as "1 worker" or "2 workers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Size is a number of bytes with a unit, as 1.5 MiB.
func Size(bytes uint64) string {
	const unit = 1024
	value, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for value >= unit && i < len(units)-1 {
		value, i = value/unit, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[i])
}

// Seconds is a number of seconds, as 120ms, 1.2s or 3m20s.
func Seconds(seconds *float64) string {
	if seconds == nil {
		return None
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
