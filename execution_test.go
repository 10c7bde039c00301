package hodei_test

import (
	"go/constant"
	"go/types"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// Each reason is either one after which a job can be retried, or one of these.
func TestRetryReasonsAreComplete(t *testing.T) {
	never := []hodei.Reason{
		hodei.ReasonCancelled, hodei.ReasonFailFast, hodei.ReasonSuperseded, // not of a failure
		hodei.ReasonCondition, hodei.ReasonNeeds, hodei.ReasonNoCommand, hodei.ReasonNotBefore, hodei.ReasonConcurrency, // of what has not started
		hodei.ReasonApprovalTimeout, hodei.ReasonMatrix, hodei.ReasonDefinition, hodei.ReasonPipelineDepth, // of a job before its first attempt
		hodei.ReasonOverlap, hodei.ReasonMissed, hodei.ReasonPaused, hodei.ReasonFailures, hodei.ReasonInvalid, hodei.ReasonError, // of schedules
		hodei.ReasonEvent, hodei.ReasonFiltered, hodei.ReasonFork, // of hooks
	}
	pkg, err := loader(t).Import(module)
	require.NoError(t, err)
	found := 0
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok || c.Type().String() != module+".Reason" {
			continue
		}
		found++
		reason := hodei.Reason(constant.StringVal(c.Val()))
		require.NotEqual(t, slices.Contains(hodei.RetryReasons, reason), slices.Contains(never, reason), "%s: retried or never", reason)
	}
	require.Equal(t, found, len(hodei.RetryReasons)+len(never))
}
