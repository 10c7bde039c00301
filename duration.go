package hodei

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// day is the longest unit of a duration; package time has none for it.
const day = 24 * time.Hour

// ParseDuration reads a duration as files, flags and query parameters have it: 90s, 5m,
// 1h30m, 7d or 1d12h. Days are whole numbers, and a number other than 0 needs a unit. It
// fails if the duration is negative or longer than time.Duration can hold, 292 years.
func ParseDuration(text string) (time.Duration, error) {
	const hint = "a duration such as 90s, 5m, 1h or 7d is required"
	var days uint64
	rest := text
	if before, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 64)
		if err != nil || n > uint64(1<<63-1)/uint64(day) {
			return 0, fmt.Errorf("%s, not %q", hint, Clip(text, maxQuoted))
		}
		if days, rest = n, after; rest == "" {
			rest = "0"
		}
	} else if n, err := strconv.ParseFloat(text, 64); err == nil && n != 0 {
		return 0, fmt.Errorf("%s: write %ss for seconds", hint, Clip(text, maxQuoted))
	}
	d, err := time.ParseDuration(rest)
	if d += time.Duration(days) * day; err != nil || d < 0 || strings.ContainsAny(rest, "+-") {
		return 0, fmt.Errorf("%s, not %q", hint, Clip(text, maxQuoted))
	}
	return d, nil
}
