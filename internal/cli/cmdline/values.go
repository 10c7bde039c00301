package cmdline

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
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

// Age is a flag that holds a duration in days, as "90d", or as Go writes it.
type Age time.Duration

func (a *Age) Type() string { return "duration" }

func (a *Age) String() string {
	if d := time.Duration(*a); d > 0 && d%Day == 0 {
		return strconv.Itoa(int(d/Day)) + "d"
	}
	return time.Duration(*a).String()
}

// Set reads whole days, as 90d, or what time.ParseDuration reads.
func (a *Age) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // more would not fit into a Duration
		d = time.Duration(n) * Day
	}
	if err != nil || d < 0 {
		return fmt.Errorf("a duration such as 90d or 12h required, not %q", text)
	}
	*a = Age(d)
	return nil
}
