package define

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestUpdateKeepsOtherFields: a flag for one field of a record leaves the others.
func TestUpdateKeepsOtherFields(t *testing.T) {
	timeout := 60.0
	retries := hodei.Retries{Max: 3, BackoffSeconds: 10, On: []string{"exit:75"}}
	now := hodei.Job{Spec: hodei.Spec{Retries: &retries, Graph: hodei.Graph{Approval: &hodei.Gate{Message: "sure?", TimeoutSeconds: &timeout}}}}
	for _, test := range []struct {
		args     []string
		retries  *hodei.Retries // nil clears
		approval *hodei.Gate
	}{
		{args: []string{"--backoff", "30s"}, retries: &hodei.Retries{Max: 3, BackoffSeconds: 30, On: retries.On}},
		{args: []string{"--retries", "5"}, retries: &hodei.Retries{Max: 5, BackoffSeconds: 10, On: retries.On}},
		{args: []string{"--backoff", "0"}, retries: &hodei.Retries{Max: 3, On: retries.On}},
		{args: []string{"--retries", "0"}},
		{args: []string{"--approval", "now?"}, approval: &hodei.Gate{Message: "now?", TimeoutSeconds: &timeout}},
		{args: []string{"--approval", ""}},
	} {
		f := &jobFlags{}
		flags := pflag.NewFlagSet("update", pflag.ContinueOnError)
		f.add(flags)
		require.NoError(t, flags.Parse(test.args))
		req, err := f.update(now, nil, nil, flags.Changed)
		require.NoError(t, err)
		require.True(t, req.Retries.Set || req.Approval.Set, test.args)
		require.Equal(t, test.retries, req.Retries.Value, test.args)
		require.Equal(t, test.approval, req.Approval.Value, test.args)
		require.Equal(t, hodei.Retries{Max: 3, BackoffSeconds: 10, On: []string{"exit:75"}}, retries)
	}
}
