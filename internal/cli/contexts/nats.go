package contexts

import (
	"errors"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
)

// NATS is the address and the credentials of a context of the nats command.
func NATS(name string) (url string, options []nats.Option, err error) {
	c, err := natscontext.New(name, true)
	switch {
	case errors.Is(err, natscontext.ErrNotFound), errors.Is(err, natscontext.ErrInvalidName):
		return "", nil, hodei.Errorf(hodei.NotFound, "no nats context is named %q; see `nats context ls`", name)
	case err != nil:
		return "", nil, hodei.Errorf(hodei.Invalid, "nats context %q: %v", name, err)
	}
	if options, err = c.NATSOptions(); err != nil {
		return "", nil, hodei.Errorf(hodei.Invalid, "nats context %q: %v", name, err)
	}
	return c.ServerURL(), options, nil
}
