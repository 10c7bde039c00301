package schemas

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWorkersAskForThemselves: an operation that a worker asks for has a sender to
// compare with the subject, and no route by which another client could ask.
func TestWorkersAskForThemselves(t *testing.T) {
	var byWorker []string
	for _, op := range Operations {
		if op.ByWorker {
			byWorker = append(byWorker, op.Filter())
			require.Empty(t, op.Method, op.Name)
			require.Implements(t, (*FromWorker)(nil), reflect.New(op.Request).Interface(), op.Name)
		}
	}
	require.ElementsMatch(t, []string{
		"hodei.v1.workers.register.*", "hodei.v1.workers.leave.*", "hodei.v1.executions.finish.*",
	}, byWorker)
}
