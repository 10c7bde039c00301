package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func frame(n int) string { return fmt.Sprintf("id: %d\ndata: {\"line\":\"%d x\"}\n\n", n, n) }

const done = "event: done\ndata: {\"execution_id\":\"exec_1\",\"status\":\"COMPLETED\",\"log_count\":3}\n\n"

func TestFollowerTakesFramesCutAnywhere(t *testing.T) {
	text := frame(1) + ": keep-alive\n\n" + frame(2) + frame(3) + done
	for cut := range len(text) {
		var seen []string
		f := &follower{line: func(data []byte, _ time.Time) { seen = append(seen, string(data)) }}
		require.NoError(t, f.take([]byte(text[:cut]), time.Now()))
		require.NoError(t, f.take([]byte(text[cut:]), time.Now()))
		require.NotNil(t, f.end)
		require.NoError(t, f.check())
		require.Equal(t, []string{`{"line":"1 x"}`, `{"line":"2 x"}`, `{"line":"3 x"}`}, seen)
	}
}

func TestFollowerNoticesWhatIsWrong(t *testing.T) {
	for name, text := range map[string]string{
		"missing": frame(1) + frame(3) + done,
		"doubled": frame(1) + frame(1) + frame(2) + frame(3) + done,
		"swapped": frame(2) + frame(1) + frame(3) + done,
		"cut off": frame(1) + frame(2) + done,
		"failed":  frame(1) + frame(2) + frame(3) + strings.Replace(done, "COMPLETED", "FAILED", 1),
	} {
		t.Run(name, func(t *testing.T) {
			f := &follower{}
			err := f.take([]byte(text), time.Now())
			if err == nil {
				err = f.check()
			}
			require.Error(t, err)
		})
	}
}
