package definition

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// CheckTimes warns about schedules whose only time is not after now. That is no error, because a
// schedule stays in the file after it has fired.
func CheckTimes(def hodei.Definition, now time.Time) []hodei.Problem {
	c := &checker{def: def}
	for i, s := range def.Schedules {
		if only, err := time.Parse(time.RFC3339, s.At); err == nil && !only.After(now) {
			c.warn(under(at("schedules", i), "at"), "lies in the past: the schedule starts nothing more")
		}
	}
	return c.list
}
