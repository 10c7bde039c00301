package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// TestDeliveriesThatWaitAreBounded: while too many wait, an event that starts something is
// UNAVAILABLE, and one that was received before, or starts nothing, is not.
func TestDeliveriesThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	h := newPast(t)
	of, err := h.CreateHook(t.Context(), hodei.Hook{PipelineID: h.job().PipelineID, HookSpec: hodei.HookSpec{Kind: hodei.HookGitea, Secret: "KEY"}})
	require.NoError(t, err)
	receive := func(id string, status hodei.DeliveryStatus) (hodei.Delivery, error) {
		return h.ReceiveDelivery(t.Context(), postgres.Received{Delivery: hodei.Delivery{HookID: of.ID, SenderID: &id, Event: "push", Status: status}, Body: []byte{}})
	}
	h.exec(`INSERT INTO hook_deliveries (id, hook_id, event, status, body) SELECT gen_random_uuid(), $1, 'push', 'PENDING', '' FROM generate_series(2, $2)`,
		of.ID, postgres.MaxPending)
	last, err := receive("last", hodei.DeliveryPending)
	require.NoError(t, err)
	_, err = receive("one more", hodei.DeliveryPending)
	require.ErrorIs(t, err, hodei.Unavailable)
	require.ErrorContains(t, err, "20000 events wait for their runs")
	again, err := receive("last", hodei.DeliveryPending)
	require.NoError(t, err)
	require.Equal(t, last.ID, again.ID)
	_, err = receive("a ping", hodei.DeliveryIgnored)
	require.NoError(t, err)
	h.exec(`UPDATE hook_deliveries SET status = 'IGNORED' WHERE id = $1`, last.ID)
	_, err = receive("one more", hodei.DeliveryPending)
	require.NoError(t, err)
}
