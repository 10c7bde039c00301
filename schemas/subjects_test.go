package schemas

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// TestEventSubjects: a client filters by type or by execution, and the stream
// contains every type.
func TestEventSubjects(t *testing.T) {
	require.Equal(t, "execution.event.timed_out."+execID.String(), EventSubject(EventTimedOut, execID))
	require.Equal(t, "run.event.completed."+execID.String(), EventSubject(eventTypes+"run.completed", execID))
	for _, kind := range []string{
		EventCreated, EventAssigned, EventRequeued, EventStarted, EventCancel, EventCompleted, EventFailed, EventCancelled, EventTimedOut,
	} {
		subject := EventSubject(kind, execID)
		require.True(t, server.SubjectMatchesFilter(subject, EventSubjects), subject)
		require.True(t, server.SubjectMatchesFilter(subject, EventsOf(execID)), subject)
		require.False(t, server.SubjectMatchesFilter(subject, EventsOf(retryID)), subject)
	}
}
