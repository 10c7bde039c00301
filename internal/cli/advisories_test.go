package cli

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// screen is an output that is read while a command writes to it.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A change of a stream shows in `hodei events --nats`, in both formats, and the streams of
// others do not.
func TestAdvisories(t *testing.T) {
	nc, js := localtest.JetStream(t)
	for format, want := range map[string]string{
		"table": "  " + schemas.LogStream + "  stream changed\n",
		"json":  `"stream":"` + schemas.LogStream + `","action":"modify"`,
	} {
		for _, only := range [][]string{nil, {"--only", "advisories"}} {
			ctx, interrupt := context.WithCancel(t.Context())
			var out screen
			root := New(cmdline.Noun("worker", "", ""))
			root.SetArgs(append([]string{"events", "--nats", nc.ConnectedUrl(), "-o", format}, only...))
			root.SetOut(&out)
			ended := make(chan error, 1)
			go func() { ended <- root.ExecuteContext(ctx) }()
			stream, err := js.Stream(ctx, schemas.LogStream)
			require.NoError(t, err)
			// Again, because the command subscribes in its own time.
			require.Eventually(t, func() bool {
				cfg := stream.CachedInfo().Config
				cfg.Description += "."
				_, err := js.UpdateStream(ctx, cfg)
				require.NoError(t, err)
				cfg.Name, cfg.Subjects = "OTHER", []string{"other"}
				_, err = js.CreateOrUpdateStream(ctx, cfg)
				require.NoError(t, err)
				return strings.Contains(out.String(), want)
			}, time.Minute, 50*time.Millisecond, "%s %v: %s", format, only, &out)
			require.NotContains(t, out.String(), "OTHER")
			interrupt()
			require.ErrorIs(t, <-ended, cmdline.ExitStatus(130))
		}
	}
}

func TestAdvisoriesNeedNATS(t *testing.T) {
	_, errs, code := command(t, "events", "--only", "advisories", "--server", "http://127.0.0.1:1")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "needs --nats")
}
