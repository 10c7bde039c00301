package next

import (
	"archive/zip"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// walk has the property test walk through all 20 years minute by minute, which takes
// minutes, instead of the days around some changes of the clock.
var walk = flag.Bool("walk", false, "walk through all minutes of 20 years in every zone")

var (
	firstYear = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	lastYear  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

// zones are the names of all zones of the tz database.
func zones(t *testing.T) (names []string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	require.NoError(t, err)
	defer archive.Close()
	for _, f := range archive.File {
		if !f.FileInfo().IsDir() {
			names = append(names, f.Name)
		}
	}
	require.Greater(t, len(names), 500)
	return names
}

// sets is a cron expression as the values of each field, and whether it is an asterisk.
type sets [5]struct {
	values map[int]bool
	all    bool
}

// random is an expression and its text. It names each value by itself.
func random(r *rand.Rand) (s sets, text string) {
	var parts [5]string
	for i, f := range fields {
		s[i].values = map[int]bool{}
		switch dense := r.IntN(4); {
		case dense == 0 || i == 3 && dense < 3:
			s[i].all, parts[i] = true, "*"
			for n := f.low; n <= f.high; n++ {
				s[i].values[n] = true
			}
		default:
			var list []string
			for range 1 + r.IntN(6) {
				n := f.low + r.IntN(f.high-f.low+1)
				list = append(list, strconv.Itoa(n))
				s[i].values[n] = true
			}
			parts[i] = strings.Join(list, ",")
		}
	}
	if s[4].values[0] || s[4].values[7] {
		s[4].values[0], s[4].values[7] = true, true
	}
	return s, strings.Join(parts[:], " ")
}

func (s sets) match(wall time.Time) bool {
	day, weekday := s[2].values[wall.Day()], s[4].values[int(wall.Weekday())]
	on := day && weekday
	if !s[2].all && !s[4].all {
		on = day || weekday
	}
	return on && s[0].values[wall.Minute()] && s[1].values[wall.Hour()] && s[3].values[int(wall.Month())]
}

// minutes is the independent implementation: it looks at the clock of the zone each
// minute, and fires if it reads, or has passed over, a time that it had not read before.
func (s sets) minutes(loc *time.Location, from, to time.Time) (all []time.Time) {
	start := from.Add(-48 * time.Hour)
	reads := func(t time.Time) time.Time {
		l := t.In(loc)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	high := reads(start)
	for t := start.Add(time.Minute); t.Before(to); t = t.Add(time.Minute) {
		due := false
		for wall := reads(t); high.Before(wall); {
			high = high.Add(time.Minute)
			due = due || s.match(high)
		}
		if due && !t.Before(from) {
			all = append(all, t.UTC())
		}
	}
	return all
}

// windows are spans around changes of the clock of the zone, and one elsewhere.
func windows(r *rand.Rand, loc *time.Location) [][2]time.Time {
	if *walk {
		return [][2]time.Time{{firstYear, lastYear}}
	}
	var changes []time.Time
	for t := firstYear.In(loc); ; {
		_, end := t.ZoneBounds()
		if end.IsZero() || !end.Before(lastYear) {
			break
		}
		changes, t = append(changes, end), end
	}
	day := func(t time.Time) [2]time.Time {
		from := t.UTC().Truncate(time.Minute).Add(-time.Duration(r.IntN(30*60)) * time.Minute)
		return [2]time.Time{from, from.Add(48 * time.Hour)}
	}
	out := [][2]time.Time{day(firstYear.Add(time.Duration(r.Int64N(int64(lastYear.Sub(firstYear))))))}
	for range min(2, len(changes)) {
		out = append(out, day(changes[r.IntN(len(changes))]))
	}
	return out
}

// TestEveryZone compares the planned times with those of the walk, in all zones and 20
// years.
func TestEveryZone(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, name := range zones(t) {
		r := rand.New(rand.NewPCG(seed, uint64(len(name))))
		loc, err := time.LoadLocation(name)
		require.NoError(t, err)
		for _, w := range windows(r, loc) {
			s, text := random(r)
			if _, err := parseCron(text); err != nil {
				continue // it names only days such as the 31st of February
			}
			got := fires(t, text, name, w[0], w[1])
			if want := s.minutes(loc, w[0], w[1]); fmt.Sprint(got) != fmt.Sprint(want) {
				require.Equal(t, texts(want), texts(got), "seed %d: %s in %s from %s", seed, text, name, w[0])
			}
		}
	}
}

// FuzzCron: what is accepted fires, later than the instant, at the start of a minute.
func FuzzCron(f *testing.F) {
	for _, text := range []string{"* * * * *", "@daily", "1-5/2 0,12 */3 feb-apr fri-sun", "0 0 29 2 *", "*/0 1 1 1 1", "0 0 1-31 * 9"} {
		f.Add(text, int64(1774746000))
	}
	madrid, err := time.LoadLocation("Europe/Madrid")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		at := time.Unix(unix%(1<<36), 0)
		times, err := Parse(hodei.ScheduleSpec{Cron: text, Timezone: madrid.String()}, at)
		if err != nil || at.Year() < 1900 || at.Year() > 9000 {
			return
		}
		got, ok := times.After(at)
		require.True(t, ok, text)
		require.True(t, got.After(at) && got.Before(at.AddDate(9, 0, 0)), text)
	})
}
