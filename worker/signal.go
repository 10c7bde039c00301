package worker

// signal is a channel of one value: it stays set until a receiver takes the value, however
// often it is set.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}
