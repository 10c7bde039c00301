package client_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopping{m}) }

// stopping stops what the examples started, so that it is not reported as a
// leak.
type stopping struct{ *testing.M }

func (m stopping) Run() int {
	code := m.M.Run()
	if started != nil {
		http.DefaultClient.CloseIdleConnections()
		if err := started.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the examples' system:", err)
			code = 1
		}
	}
	return code
}

// What embeds the SDK must not carry servers and drivers along.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, heavy := range []string{"nats-server", "jackc/pgx", "go-chi/chi", "hodei/postgres", "hodei/services", "hodei/edge"} {
		require.NotContains(t, string(out), heavy)
	}
	require.Contains(t, string(out), "hodei/schemas")
}

// Every operation with a route has a method with its types.
func TestEveryRouteHasAMethod(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*client.Client]()
	routes := 0
	for _, op := range schemas.Operations {
		if op.Method == "" {
			continue
		}
		routes++
		if op == schemas.ArtifactContent.Op { // OpenArtifact
			continue
		}
		found := 0
		for i := range methods.NumMethod() {
			m := methods.Method(i).Type
			reply := op.Reply
			switch op {
			case schemas.FollowLogs.Op:
				reply = reflect.TypeFor[schemas.LogEnd]()
			case schemas.FollowRun.Op:
				reply = reflect.TypeFor[schemas.RunLogEnd]()
			case schemas.FollowEvents.Op:
				reply = reflect.TypeFor[schemas.EventsEnd]()
			}
			if m.NumIn() > 2 && m.In(2) == op.Request && m.NumOut() == 2 && m.Out(0) == reply {
				found++
			}
		}
		require.Equal(t, 1, found, "%s: methods from %s to %s", op.Name, op.Request, op.Reply)
	}
	require.Greater(t, routes, 15)
}
