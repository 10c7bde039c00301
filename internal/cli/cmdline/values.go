package cmdline

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
)

// ByteSize is a flag in bytes, as "100MiB".
type ByteSize int64

func (s *ByteSize) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(*s)), " ", "") }

func (*ByteSize) Type() string { return "size" }

// Set reads a number with a unit: MiB and its like are powers of 1024, MB of 1000.
func (s *ByteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n < 1 || n > math.MaxInt64 {
		return errors.New("a size of at least one byte required, such as 100MiB")
	}
	*s = ByteSize(n)
	return nil
}

// Day is the unit of retention; package time has none for it.
const Day = 24 * time.Hour

// Duration is a flag with a duration as hodei.yaml has it, such as 90s, 1h30m or 7d.
type Duration time.Duration

func (d *Duration) Type() string { return "duration" }

// zeros are the units that package time writes without need.
var zeros = strings.NewReplacer("h0m0s", "h", "m0s", "m")

// String returns the shortest text that Set reads. It is "0" for the zero value, which pflag
// does not show as a default.
func (d *Duration) String() string {
	days, rest := time.Duration(*d)/Day, time.Duration(*d)%Day
	switch short := zeros.Replace(rest.String()); {
	case *d == 0:
		return "0"
	case days == 0:
		return short
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	default:
		return fmt.Sprintf("%dd%s", days, short)
	}
}

func (d *Duration) Set(text string) error {
	parsed, err := hodei.ParseDuration(text)
	if err == nil {
		*d = Duration(parsed)
	}
	return err
}

// Seconds returns the duration in seconds, the unit of the API.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }
