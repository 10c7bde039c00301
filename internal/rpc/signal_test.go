package rpc_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// TestASignalIsEmpty: JetStream acknowledges a message on the subject that its publisher names.
func TestASignalIsEmpty(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	signals := make(chan struct{}, 2)
	sub, err := rpc.OnSignalTo(nc, "run.due", signals)
	require.NoError(t, err)
	sent, err := nc.SubscribeSync("run.due")
	require.NoError(t, err)
	require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: "$KV.WORKERS.x", Reply: "run.due", Data: []byte("{}")}))
	ack, err := sent.NextMsg(time.Minute)
	require.NoError(t, err)
	require.NotEmpty(t, ack.Data)
	require.Empty(t, ack.Reply, "it passes for a request")
	require.NoError(t, nc.Publish("run.due", nil))
	require.NoError(t, sub.Drain())
	require.Eventually(t, func() bool { return !sub.IsValid() }, time.Minute, time.Millisecond, "it has both messages")
	require.Len(t, signals, 1)
}
