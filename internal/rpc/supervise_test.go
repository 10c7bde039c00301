package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestSuperviseStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		log, before := slog.New(slog.NewTextHandler(&logged, nil)), rpc.Panics()
		ctx, cancel := context.WithCancel(t.Context())
		var began []time.Time
		err := rpc.Supervise(ctx, log, "loop", func(ctx context.Context) error {
			switch began = append(began, time.Now()); len(began) {
			case 1, 3:
				panic("out of range")
			case 2:
				return errors.New("lost")
			case 9:
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}
			return errors.New("again")
		})
		require.NoError(t, err)
		require.Equal(t, before+2, rpc.Panics())
		require.Equal(t, 2, strings.Count(logged.String(), "panic contained"))
		require.Contains(t, logged.String(), "supervise_test.go", "with the stack")
		require.Equal(t, 8, strings.Count(logged.String(), "loop failed; restarting"))
		require.Less(t, began[1].Sub(began[0]), 200*time.Millisecond)
		for i := 2; i < len(began); i++ {
			require.Less(t, began[i].Sub(began[i-1]), 3*time.Second)
		}
		require.Greater(t, began[8].Sub(began[7]), time.Second, "it backs off")
	})
}

func TestSuperviseEndsWithALoopThatHasDone(t *testing.T) {
	t.Parallel()
	runs := 0
	require.NoError(t, rpc.Supervise(t.Context(), slog.New(slog.DiscardHandler), "loop", func(context.Context) error { runs++; return nil }))
	require.Equal(t, 1, runs)
}

// TestAPanickingHandlerAnswers: the panic is counted, Panicked is called, and
// the next request is answered.
func TestAPanickingHandlerAnswers(t *testing.T) {
	t.Parallel()
	nc, before := connect(t), rpc.Panics()
	panicked := make(chan struct{}, 2)
	start(t, rpc.Config{NATS: nc, Panicked: func() { panicked <- struct{}{} }}, func(s *rpc.Service) {
		rpc.Handle(s, schemas.CreatePipeline, func(_ context.Context, req schemas.CreatePipelineRequest) (hodei.Pipeline, error) {
			return hodei.Pipeline{Name: req.Name[4:]}, nil
		})
	})
	_, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "a"})
	require.ErrorIs(t, err, hodei.Internal)
	require.Equal(t, "Internal error", asked(t, err).Message)
	<-panicked
	require.Equal(t, before+1, rpc.Panics())
	p, err := rpc.Call(t.Context(), nc, schemas.CreatePipeline, schemas.CreatePipelineRequest{Name: "the demo"})
	require.NoError(t, err)
	require.Equal(t, "demo", p.Name)
}
