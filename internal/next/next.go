package next

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Times are the planned times of a schedule.
type Times struct {
	every      time.Duration
	anchor, at time.Time
	cron       *cron
	zone       *time.Location
}

// Parse reads the times of a schedule. An interval counts from the anchor. An error names
// the field.
func Parse(spec hodei.ScheduleSpec, anchor time.Time) (t Times, err error) {
	given := 0
	for _, is := range []bool{spec.Cron != "", spec.EverySeconds != nil, spec.At != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return t, hodei.InvalidField("cron", "exactly one of cron, every and at is required")
	}
	if t.zone, err = parseZone(spec.Timezone); err != nil {
		return t, hodei.InvalidField("timezone", err.Error())
	}
	switch {
	case spec.Cron != "":
		c, err := parseCron(spec.Cron)
		if err != nil {
			return t, hodei.InvalidField("cron", err.Error())
		}
		t.cron = &c
	case spec.EverySeconds != nil:
		if s := *spec.EverySeconds; !(s >= 1 && s <= 31536000) {
			return t, hodei.InvalidField("every", "one second to 365 days required")
		}
		t.every, t.anchor = seconds(*spec.EverySeconds), anchor
	default:
		if t.at, err = time.Parse(time.RFC3339, spec.At); err != nil || !hodei.IsTime(t.at) {
			return t, hodei.InvalidField("at", "a time such as 2027-01-31T08:00:00Z required")
		}
		t.at = t.at.UTC().Truncate(time.Microsecond)
	}
	return t, nil
}

// seconds is a duration in whole microseconds, as Postgres has them.
func seconds(s float64) time.Duration { return time.Duration(s*1e6+0.5) * time.Microsecond }

// After returns the first planned time after an instant, or false if there is none.
func (t Times) After(instant time.Time) (time.Time, bool) {
	var at time.Time
	switch {
	case t.cron != nil:
		wall, ok := t.cron.after(latest(instant, t.zone))
		if !ok {
			return at, false
		}
		at = reads(wall, t.zone)
	case t.every > 0:
		passed := instant.Sub(t.anchor)
		if passed < 0 {
			passed = -1 // the first one is an interval after the anchor
		}
		n := passed/t.every + 1
		at = t.anchor.Add(n * t.every).UTC()
	default:
		at = t.at
	}
	return at, at.After(instant) && hodei.IsTime(at)
}

// Delay returns the jitter of a planned time: from 0 to less than the given seconds, the
// same whenever it is computed.
func Delay(id hodei.ScheduleID, planned time.Time, jitter *float64) time.Duration {
	if jitter == nil || !(*jitter > 0) {
		return 0
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], uint64(planned.UnixMicro())))
	share := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
	return seconds(*jitter * share).Truncate(time.Microsecond)
}
