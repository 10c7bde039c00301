package rpc

import "github.com/nats-io/nats.go"

// Signal wakes a goroutine of this process. It is a channel of one value: it stays set until a
// receiver takes the value, however often it is set.
type Signal chan struct{}

// NewSignal returns a signal that is not set.
func NewSignal() Signal { return make(Signal, 1) }

// Set sets the signal. It does not block.
func (s Signal) Set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// OnSignal calls fn for each signal on the subject. There a signal is an empty message. Others are
// ignored: a publisher can direct an acknowledgement of JetStream to any subject, but it is never
// empty.
func OnSignal(nc *nats.Conn, subject string, fn func()) (*nats.Subscription, error) {
	return nc.Subscribe(subject, func(msg *nats.Msg) {
		if len(msg.Data) == 0 {
			fn()
		}
	})
}

// OnSignalTo sets a Signal for each signal on the subject.
func OnSignalTo(nc *nats.Conn, subject string, signal Signal) (*nats.Subscription, error) {
	return OnSignal(nc, subject, signal.Set)
}
