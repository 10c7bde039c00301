package client

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestARunIsWatchedWithoutJetStream, which people may not use.
func TestARunIsWatchedWithoutJetStream(t *testing.T) {
	nc := localtest.Connect(t, localtest.NATS(t)) // it has no stream of events
	id, other := hodei.RunID(uuid.Must(uuid.NewV7())), hodei.RunID(uuid.Must(uuid.NewV7()))
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- overNATS{nc: nc}.watchRun(ctx, id, func() { changed <- struct{}{} }) }()
	<-changed // it is certain to see what follows
	for _, of := range []hodei.RunID{other, id} {
		body, err := hodei.JSON(schemas.RunEvent{Type: schemas.EventRunCompleted, Run: hodei.Run{ID: of, Status: hodei.RunCompleted}})
		require.NoError(t, err)
		require.NoError(t, nc.Publish(schemas.EventSubject(schemas.EventRunCompleted, of), body))
	}
	<-changed
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, changed, "the event of the other run changes nothing")
}
