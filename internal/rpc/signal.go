package rpc

import "github.com/nats-io/nats.go"

// OnSignal calls fn for each signal on the subject. A signal is an empty message. Others are
// ignored: a publisher can direct an acknowledgement of JetStream to any subject, but it is never
// empty.
func OnSignal(nc *nats.Conn, subject string, fn func()) (*nats.Subscription, error) {
	return nc.Subscribe(subject, func(msg *nats.Msg) {
		if len(msg.Data) == 0 {
			fn()
		}
	})
}

// OnSignalTo is OnSignal for a channel with a buffer: a signal that finds it full is dropped.
func OnSignalTo(nc *nats.Conn, subject string, signals chan<- struct{}) (*nats.Subscription, error) {
	return OnSignal(nc, subject, func() {
		select {
		case signals <- struct{}{}:
		default:
		}
	})
}
