package definition

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// ParseDuration reads a duration such as 90s, 5m, 1h30m or 7d as seconds. In a file
// nothing is without a unit, not even 0.
func ParseDuration(text string) (float64, error) {
	if text == "0" {
		return 0, errors.New("a duration such as 90s, 5m, 1h or 7d is required: write 0s")
	}
	d, err := hodei.ParseDuration(text)
	return d.Seconds(), err
}

// formatDuration writes seconds in the way that ParseDuration reads.
func formatDuration(seconds float64) string {
	if seconds != math.Trunc(seconds) || seconds > 1e15 {
		return strconv.FormatFloat(seconds, 'f', -1, 64) + "s"
	}
	var b strings.Builder
	left := int64(seconds)
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}} {
		if n := left / unit.seconds; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			left %= unit.seconds
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

var sizes = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20}, {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30}, {"B", 1},
}

// parseSize reads a number of bytes such as 512MiB, 2g or 1048576.
func parseSize(text string) (float64, error) {
	number, factor := text, 1.0
	for _, s := range sizes {
		if before, ok := strings.CutSuffix(text, s.name); ok {
			number, factor = before, s.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("a size such as 512MiB or 2GiB is required, not %q", clip(text))
	}
	return math.Round(f * factor), nil
}

func formatSize(bytes float64) string {
	for i := 3; i >= 0; i-- {
		if n := bytes / sizes[i].bytes; n >= 1 && n == math.Trunc(n) {
			return strconv.FormatFloat(n, 'f', -1, 64) + sizes[i].name
		}
	}
	return strconv.FormatFloat(bytes, 'f', -1, 64)
}
