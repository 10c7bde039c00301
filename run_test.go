package hodei_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestWhyARunFailed: a job that failed made others cancelled, not the other way round.
func TestWhyARunFailed(t *testing.T) {
	r := hodei.Run{Reason: new(hodei.ReasonJobFailed), Jobs: []hodei.RunJob{
		{Key: "a", Status: hodei.JobCancelled}, {Key: "b", Status: hodei.JobFailed}, {Key: "c", Status: hodei.JobTimedOut},
		{Key: "d", Status: hodei.JobSkipped}, {Key: "e", Status: hodei.JobCompleted},
	}}
	require.Equal(t, "b, c failed", r.Why())
	r.Jobs = r.Jobs[:1]
	require.Equal(t, "a failed", r.Why())
	r.Jobs = nil
	require.Equal(t, "a job failed", r.Why())
}
