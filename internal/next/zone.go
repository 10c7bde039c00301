package next

import (
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // the zones of a machine that has none
)

// far is longer than any two clocks on earth are apart.
const far = 30 * time.Hour

// zoneName excludes "Local" by what follows, and the files beside the zones, such as
// right/Europe/Madrid, by their first letter.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`)

// parseZone returns the zone with the IANA name; UTC if there is none. Its errors are for
// users.
func parseZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name != "Local" && zoneName.MatchString(name) {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, fmt.Errorf("%q is not the IANA name of a time zone, such as Europe/Madrid", clip(name))
}

// wallOf is what a local clock reads, written as a time in UTC.
func wallOf(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// latest returns the latest local time that the clock of the zone has read until t. After
// the clock was put back, that is later than what it reads.
func latest(t time.Time, loc *time.Location) time.Time {
	high := wallOf(t, loc)
	for at := t; ; {
		start, _ := at.In(loc).ZoneBounds()
		if start.IsZero() || start.Before(t.Add(-far)) {
			return high
		}
		at = start.Add(-1)
		if wall := wallOf(at, loc); wall.After(high) {
			high = wall
		}
	}
}

// reads returns the first instant at which the clock of the zone reads the local time or
// a later one.
func reads(wall time.Time, loc *time.Location) time.Time {
	for t := wall.Add(-far).In(loc); ; {
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if !start.IsZero() && at.Before(start) {
			at = start
		}
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		t = end.In(loc)
	}
}
