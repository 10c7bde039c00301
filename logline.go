package hodei

import (
	"encoding/json"
	"strings"
	"time"
)

// Stream is one of the two outputs of a command.
type Stream string

const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// MaxLine is the length limit of a line in bytes. A longer line is split, with
// Partial set on every piece except the last.
const MaxLine = 16 << 10

// LogLine is one line of output. The worker assigns sequence numbers once, from
// 1 in order of arrival, without gaps.
type LogLine struct {
	Timestamp time.Time `json:"timestamp"`
	Stream    Stream    `json:"stream"`
	Line      string    `json:"line"`
	Sequence  int64     `json:"sequence"`
	Partial   bool      `json:"partial,omitempty"`
}

// ReadLogLine decodes the JSON of a line. Invalid JSON, which any NATS client
// can publish, becomes the text of a line.
func ReadLogLine(raw []byte, sequence int64) LogLine {
	var l LogLine
	if json.Unmarshal(raw, &l) != nil {
		return LogLine{Stream: Stdout, Line: strings.ToValidUTF8(string(raw), "\uFFFD"), Sequence: sequence}
	}
	return l
}

// LogFilter selects lines; its zero value selects all.
type LogFilter struct {
	Stream Stream    // "" selects both
	Since  time.Time // zero: from the start
	Until  time.Time // zero: to the end
}

// IsZero reports whether the filter selects every line.
func (f LogFilter) IsZero() bool { return f.Stream == "" && f.Since.IsZero() && f.Until.IsZero() }

// Match reports whether the filter selects the line. Both bounds are inclusive.
func (f LogFilter) Match(l LogLine) bool {
	return (f.Stream == "" || f.Stream == l.Stream) &&
		(f.Since.IsZero() || !l.Timestamp.Before(f.Since)) &&
		(f.Until.IsZero() || !l.Timestamp.After(f.Until))
}
