package scheduler

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestOutcomeOf(t *testing.T) {
	gone := hodei.Errorf(hodei.Unavailable, "The worker is not connected")
	gone.Resource = "worker"
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{nil, assigned},
		{hodei.Errorf(hodei.Rejected, "Refused"), refused},
		{gone, refused},
		{fmt.Errorf("assign: %w", gone), refused},
		{hodei.Errorf(hodei.Unavailable, "The record is not available"), unavailable},
		{errDeposed, unavailable},
		{hodei.Errorf(hodei.Conflict, "Execution is RUNNING"), unclear},
		{hodei.Errorf(hodei.Timeout, "Not done in time"), unclear},
		{hodei.Errorf(hodei.NotFound, "No such execution"), failed},
		{errors.New("anything else"), failed},
		{context.Canceled, failed},
	} {
		require.Equal(t, c.want, outcomeOf(c.err), "%v", c.err)
	}
}
