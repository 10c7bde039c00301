package localtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// lingering is how long a goroutine may outlast the tests: a fetch of JetStream that is
// abandoned, because the watch ends or the connection is lost, ends after a second.
const lingering = 5 * time.Second

// VerifyNoLeaks runs the tests of a package and fails if they leave a goroutine behind. The
// test server of Postgres may go on: it lasts as long as the process.
func VerifyNoLeaks(m goleak.TestingM) {
	const local = "github.com/hodei-jobs/hodei/internal/local."
	ignored := []goleak.Option{
		goleak.IgnoreAnyFunction(local + "(*Postgres).supervise"), goleak.IgnoreAnyFunction(local + "(*Postgres).run.func1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"),
	}
	goleak.VerifyTestMain(patient{m, ignored}, ignored...)
}

// patient is a test run that waits for goroutines that end by themselves.
type patient struct {
	goleak.TestingM
	ignored []goleak.Option
}

func (p patient) Run() int {
	code := p.TestingM.Run()
	for end := time.Now().Add(lingering); code == 0 && time.Now().Before(end); {
		if goleak.Find(p.ignored...) == nil { // it looks for half a second
			break
		}
	}
	return code
}

// Run runs a service until the test ends, and returns once it is ready.
func Run(t testing.TB, run func(context.Context) error, ready <-chan struct{}) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		require.FailNow(t, "ended before it was ready", err)
	case <-time.After(time.Minute):
		require.FailNow(t, "not ready after a minute")
	}
	return stop
}
