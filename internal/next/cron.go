package next

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// cron is a set of local times. Bit n of a field is the value n.
type cron struct {
	minute, hour, day, month, weekday uint64
	// either is true if both day and weekday are restricted: then one of them must match.
	either bool
}

// words are the expressions that stand for five fields.
var words = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// field is what one of the five fields may contain.
type field struct {
	name      string
	low, high int
	// names are those of the values from low on.
	names []string
}

var fields = []field{
	{name: "minute", low: 0, high: 59},
	{name: "hour", low: 0, high: 23},
	{name: "day of the month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "weekday", low: 0, high: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// parseCron reads five fields, or a word. Its errors are for users.
func parseCron(text string) (c cron, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "@") {
		five, ok := words[strings.ToLower(text)]
		if !ok {
			return c, fmt.Errorf("%q is not one of @hourly, @daily, @weekly, @monthly and @yearly", clip(text))
		}
		text = five
	}
	parts := strings.Fields(text)
	if len(parts) != len(fields) {
		return c, fmt.Errorf("five fields are required (minute hour day month weekday), or a word such as @hourly; there are %d", len(parts))
	}
	for i, set := range []*uint64{&c.minute, &c.hour, &c.day, &c.month, &c.weekday} {
		if *set, err = fields[i].parse(parts[i]); err != nil {
			return c, fmt.Errorf("%s: %w", fields[i].name, err)
		}
	}
	c.weekday |= c.weekday >> 7 // 7 is Sunday too
	c.either = parts[2][0] != '*' && parts[4][0] != '*'
	if _, ok := c.after(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); !ok {
		return c, fmt.Errorf("no month has such a day: it never fires")
	}
	return c, nil
}

// parse reads a list of values, ranges and steps.
func (f field) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, by, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(by); err != nil || step < 1 || step > f.high {
				return 0, fmt.Errorf("a step from 1 to %d is required after the slash, not %q", f.high, clip(by))
			}
		}
		low, high, err := f.span(span, stepped)
		if err != nil {
			return 0, err
		}
		for n := low; n <= high; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// span reads *, a value or a range. A value with a step is a range up to the end.
func (f field) span(text string, stepped bool) (low, high int, err error) {
	if text == "*" {
		return f.low, f.high, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if low, err = f.value(first); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		if high, err = f.value(last); err != nil {
			return 0, 0, err
		}
		if high < low && high == 0 && f.high == 7 { // FRI-SUN
			high = 7
		}
		if high < low {
			return 0, 0, fmt.Errorf("the range %q ends before it begins", clip(text))
		}
	case stepped:
		high = f.high
	default:
		high = low
	}
	return low, high, nil
}

func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.low + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.low || n > f.high || text[0] == '+' {
		return 0, fmt.Errorf("a value from %d to %d is required, not %q", f.low, f.high, clip(text))
	}
	return n, nil
}

// leapGap is the longest time between two days that one expression names, in years: from
// the 29th of February of 2096 to that of 2104.
const leapGap = 8

// after returns the first local time of the set after the given one. Local times are
// written as times in UTC.
func (c cron) after(wall time.Time) (time.Time, bool) {
	t := wall.Truncate(time.Minute).Add(time.Minute)
	for last := t.Year() + leapGap + 1; t.Year() <= last; {
		year, month, day := t.Date()
		switch {
		case c.month&(1<<month) == 0:
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.on(t):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
		case c.hour&(1<<t.Hour()) == 0:
			t = time.Date(year, month, day, t.Hour()+1, 0, 0, 0, time.UTC)
		default:
			rest := c.minute >> t.Minute()
			if rest != 0 {
				return t.Add(time.Duration(bits.TrailingZeros64(rest)) * time.Minute), true
			}
			t = time.Date(year, month, day, t.Hour()+1, 0, 0, 0, time.UTC)
		}
	}
	return time.Time{}, false
}

// on reports whether the set has times on the day.
func (c cron) on(t time.Time) bool {
	day, weekday := c.day&(1<<t.Day()) != 0, c.weekday&(1<<t.Weekday()) != 0
	if c.either {
		return day || weekday
	}
	return day && weekday
}

// clip shortens input that a message repeats.
func clip(s string) string { return hodei.Clip(s, 40) }
