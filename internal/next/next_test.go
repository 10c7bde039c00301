package next

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// fires are the planned times of a cron schedule in [from, to).
func fires(t *testing.T, cron, zone string, from, to time.Time) (all []time.Time) {
	t.Helper()
	times, err := Parse(hodei.ScheduleSpec{Cron: cron, Timezone: zone}, time.Time{})
	require.NoError(t, err)
	for at, ok := times.After(from.Add(-1)); ok && at.Before(to); at, ok = times.After(at) {
		all = append(all, at)
	}
	return all
}

func texts(times []time.Time) (out []string) {
	for _, t := range times {
		out = append(out, t.Format(time.RFC3339))
	}
	return out
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// TestChangesOfTheClock of zones that treat them in different ways, by hand.
func TestChangesOfTheClock(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone, from, to string
		want                       []string
	}{
		{"Madrid: 02:30 is skipped, and fires at 03:00", "30 2 * * *", "Europe/Madrid", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"Madrid: 02:30 comes twice, and fires once", "30 2 * * *", "Europe/Madrid", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"Madrid: skipped times are one fire", "*/20 2-3 * * *", "Europe/Madrid", "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"}},
		{"Madrid: the repeated hour is silent", "30 * * * *", "Europe/Madrid", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z",
			[]string{"2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"}},
		{"New York: 02:30 is skipped", "30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		{"New York: 01:30 comes twice", "30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-02T12:00:00Z",
			[]string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		{"Lord Howe: half an hour is skipped", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", "2026-10-04T20:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"Lord Howe: half an hour comes twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-05T20:00:00Z",
			[]string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"Apia: the 30th of December of 2011 is skipped", "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z",
			[]string{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"}},
		{"Apia: a date that does not come fires when it is over", "0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2012-12-01T00:00:00Z",
			[]string{"2011-12-30T10:00:00Z"}},
		{"no change in UTC", "30 2 29 3 *", "", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", []string{"2026-03-29T02:30:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, texts(fires(t, c.cron, c.zone, utc(t, c.from), utc(t, c.to))))
		})
	}
}

// TestCron names times as the crontab does.
func TestCron(t *testing.T) {
	from := utc(t, "2026-01-01T00:00:00Z") // a Thursday
	for cron, want := range map[string]string{
		"0 0 * * *":           "2026-01-01T00:00:00Z",
		"@hourly":             "2026-01-01T00:00:00Z",
		"@weekly":             "2026-01-04T00:00:00Z",
		"@Monthly":            "2026-01-01T00:00:00Z",
		"5/20 * * * *":        "2026-01-01T00:05:00Z",
		"10-20/5 7 * * *":     "2026-01-01T07:10:00Z",
		"0 3 * * 1-5":         "2026-01-01T03:00:00Z",
		"0 3 * * mon,WED":     "2026-01-05T03:00:00Z",
		"0 0 * * 7":           "2026-01-04T00:00:00Z",
		"0 0 * * sat-sun":     "2026-01-03T00:00:00Z",
		"0 0 29 feb *":        "2028-02-29T00:00:00Z",
		"0 0 13 * 5":          "2026-01-02T00:00:00Z", // the 13th or a Friday
		"0 0 */2 * 1":         "2026-01-05T00:00:00Z", // an odd day and a Monday
		"59 23 31 12 *":       "2026-12-31T23:59:00Z",
		"0  12\t*  * *  ":     "2026-01-01T12:00:00Z",
		"0,30 9-17 1,15 * *":  "2026-01-01T09:00:00Z",
		"7 7 7 7 *":           "2026-07-07T07:07:00Z",
		"*/59 23 * apr-jun *": "2026-04-01T23:00:00Z",
	} {
		require.Equal(t, want, fires(t, cron, "", from, from.AddDate(9, 0, 0))[0].Format(time.RFC3339), cron)
	}
}

// TestWhatIsNoSchedule is refused with the field and a sentence.
func TestWhatIsNoSchedule(t *testing.T) {
	short := 0.5
	minute := 60.0
	for issue, spec := range map[string]hodei.ScheduleSpec{
		"cron: exactly one of cron, every and at is required":                                                    {Cron: "* * * * *", EverySeconds: &minute},
		"cron: five fields are required (minute hour day month weekday), or a word such as @hourly; there are 6": {Cron: "0 * * * * *"},
		"cron: minute: a value from 0 to 59 is required, not \"60\"":                                             {Cron: "60 * * * *"},
		"cron: minute: a value from 0 to 59 is required, not \"+1\"":                                             {Cron: "+1 * * * *"},
		"cron: hour: a value from 0 to 23 is required, not \"\"":                                                 {Cron: "0 1,, * * *"},
		"cron: weekday: a value from 0 to 7 is required, not \"L\"":                                              {Cron: "0 1 * * L"},
		"cron: month: the range \"5-3\" ends before it begins":                                                   {Cron: "0 1 * 5-3 *"},
		"cron: minute: a step from 1 to 59 is required after the slash, not \"0\"":                               {Cron: "*/0 * * * *"},
		"cron: no month has such a day: it never fires":                                                          {Cron: "0 0 31 2,4 *"},
		"cron: \"@every 5m\" is not one of @hourly, @daily, @weekly, @monthly and @yearly":                       {Cron: "@every 5m"},
		"timezone: \"Madrid\" is not the IANA name of a time zone, such as Europe/Madrid":                        {Cron: "@daily", Timezone: "Madrid"},
		"timezone: \"Local\" is not the IANA name of a time zone, such as Europe/Madrid":                         {Cron: "@daily", Timezone: "Local"},
		"timezone: \"right/Europe/Madrid\" is not the IANA name of a time zone, such as Europe/Madrid":           {Cron: "@daily", Timezone: "right/Europe/Madrid"},
		"timezone: \"../etc/passwd\" is not the IANA name of a time zone, such as Europe/Madrid":                 {Cron: "@daily", Timezone: "../etc/passwd"},
		"every: one second to 365 days required":                                                                 {EverySeconds: &short},
		"at: a time such as 2027-01-31T08:00:00Z required":                                                       {At: "tomorrow"},
	} {
		_, err := Parse(spec, time.Time{})
		require.Error(t, err, issue)
		details := hodei.AsError(err).Details
		require.Equal(t, issue, fmt.Sprintf("%s: %s", details.Field, details.Issue))
	}
}

// TestEvery counts from the anchor, whatever the instant.
func TestEvery(t *testing.T) {
	every, anchor := 90.0, utc(t, "2026-03-29T00:59:30Z")
	times, err := Parse(hodei.ScheduleSpec{EverySeconds: &every, Timezone: "Europe/Madrid"}, anchor)
	require.NoError(t, err)
	for from, want := range map[string]string{
		"2020-01-01T00:00:00Z": "2026-03-29T01:01:00Z",
		"2026-03-29T00:59:30Z": "2026-03-29T01:01:00Z",
		"2026-03-29T01:00:59Z": "2026-03-29T01:01:00Z",
		"2026-03-29T01:01:00Z": "2026-03-29T01:02:30Z",
	} {
		at, ok := times.After(utc(t, from))
		require.True(t, ok)
		require.Equal(t, want, at.Format(time.RFC3339))
	}
}

// TestAt fires once.
func TestAt(t *testing.T) {
	times, err := Parse(hodei.ScheduleSpec{At: "2027-01-01T08:00:00+02:00"}, time.Time{})
	require.NoError(t, err)
	at, ok := times.After(utc(t, "2026-01-01T00:00:00Z"))
	require.True(t, ok)
	require.Equal(t, "2027-01-01T06:00:00Z", at.Format(time.RFC3339))
	_, ok = times.After(at)
	require.False(t, ok)
}

// TestDelay is the same each time, within its bound, and differs between times.
func TestDelay(t *testing.T) {
	jitter, id, planned := 60.0, hodei.ScheduleID{1, 2, 3}, utc(t, "2026-01-01T00:00:00Z")
	seen := map[time.Duration]bool{}
	for i := range 1000 {
		at := planned.Add(time.Duration(i) * time.Minute)
		d := Delay(id, at, &jitter)
		require.Equal(t, d, Delay(id, at.In(time.FixedZone("", 3600)), &jitter))
		require.True(t, d >= 0 && d < time.Minute)
		seen[d] = true
	}
	require.Greater(t, len(seen), 990)
	require.Zero(t, Delay(id, planned, nil))
}
