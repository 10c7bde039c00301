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
		"hodei.v1.artifacts.keep.*", "hodei.v1.artifacts.inputs.*", "hodei.v1.blobs.begin.*", "hodei.v1.blobs.write.*", "hodei.v1.blobs.commit.*", "hodei.v1.blobs.read.*",
		"hodei.v1.caches.find.*", "hodei.v1.caches.save.*",
	}, byWorker)
}

// TestInternalSchemasAreNotPublished: what schemas.get answers and the comparison with
// the released contract covers are the messages of users.
func TestInternalSchemasAreNotPublished(t *testing.T) {
	_, internal := messages()
	require.Contains(t, internal, reflect.TypeFor[OfferRequest]())
	for _, typ := range internal {
		name := SchemaName(typ)
		_, err := JSONSchema(name)
		require.Error(t, err, name)
		_, err = InternalSchema(name)
		require.NoError(t, err)
	}
	for _, op := range Operations {
		require.False(t, op.Internal && op.Method != "", "%s has a route, which is for users", op.Name)
		_, err := op.RequestDocument()
		require.True(t, err == nil || op.Subject == "", op.Name)
	}
}
