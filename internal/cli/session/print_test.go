package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
)

func TestDurationsAndAges(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 0.0124: "12ms", 1.23: "1.2s", 59: "59s", 200: "3m20s", 7200: "2h0m0s"} {
		require.Equal(t, want, render.Seconds(&seconds))
	}
	require.Equal(t, "-", render.Seconds(nil))
	s, _, _ := printing()
	for ago, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", time.Hour - 1: "59m", 47 * time.Hour: "47h", 48 * time.Hour: "2d",
	} {
		require.Equal(t, want, s.Age(noon.Add(-ago)))
	}
}

func TestStatusIsColouredForATerminalOnly(t *testing.T) {
	text.EnableColors()
	s, _, _ := printing()
	require.False(t, render.InColor(s.Out))
	require.Equal(t, "FAILED", Status(s, hodei.Failed))
	s.color = true
	require.Equal(t, "\x1b[31mFAILED\x1b[0m", Status(s, hodei.Failed))
	require.Equal(t, "CREATED", Status(s, hodei.PipelineCreated))
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// printing is a session at noon that prints into memory.
func printing() (s *Session, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	s = Printing(out, errs, "")
	s.Now = func() time.Time { return noon }
	return s, out, errs
}

func TestMomentsArePastOrAhead(t *testing.T) {
	s, _, _ := printing()
	at := func(d time.Duration) string {
		moment := noon.Add(d)
		return s.Moment(&moment)
	}
	require.Equal(t, "-", s.Moment(nil))
	require.Equal(t, "2026-01-02T11:55:00Z (5m ago)", at(-5*time.Minute))
	require.Equal(t, "2026-01-02T12:05:00Z (in 5m)", at(5*time.Minute))
	require.Equal(t, "2026-01-02T12:00:00Z (0s ago)", at(500*time.Millisecond), "two clocks differ")
}
