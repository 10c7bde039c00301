package hodei_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestLogFilterIncludesItsBounds(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	line := hodei.LogLine{Timestamp: noon, Stream: hodei.Stderr}
	require.True(t, hodei.LogFilter{}.IsZero())
	for name, c := range map[string]struct {
		filter hodei.LogFilter
		want   bool
	}{
		"everything":       {hodei.LogFilter{}, true},
		"its stream":       {hodei.LogFilter{Stream: hodei.Stderr}, true},
		"the other stream": {hodei.LogFilter{Stream: hodei.Stdout}, false},
		"since its time":   {hodei.LogFilter{Since: noon}, true},
		"since later":      {hodei.LogFilter{Since: noon.Add(1)}, false},
		"until its time":   {hodei.LogFilter{Until: noon}, true},
		"until earlier":    {hodei.LogFilter{Until: noon.Add(-1)}, false},
	} {
		require.Equal(t, c.want, c.filter.Match(line), name)
	}
}
