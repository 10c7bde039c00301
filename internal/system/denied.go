package system

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/internal/permit"
)

// conn is the connection of a role, with the permissions that the role needs.
type conn struct {
	*nats.Conn
	permissions permit.Permissions
}

// everything stands for the permissions of a worker without a fixed id: NATS cannot have a
// user for it.
var everything = permit.Permissions{Publish: []string{">"}}

// connect opens the connection of a role. The system ends if NATS denies a permission that the
// role needs before the system is ready.
func (s *System) connect(name string, p permit.Permissions) (*nats.Conn, error) {
	nc, err := s.cfg.Connect(name)
	if err != nil {
		return nil, err
	}
	c := conn{nc, p}
	s.conns = append(s.conns, c)
	logged := nc.ErrorHandler()
	nc.SetErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
		if logged != nil {
			logged(nc, sub, err)
		}
		if c.misses(err) && !s.ready.Load() {
			s.denied(c, err)
		}
	})
	return nc, nil
}

// settleWithin is the timeout of a flush in settle.
const settleWithin = 2 * time.Second

// settle waits until NATS has processed everything that the roles have sent, unless a connection
// is lost, and returns the first error about a permission that a role misses.
func (s *System) settle() error {
	for _, c := range s.conns {
		for c.FlushTimeout(settleWithin) != nil {
			if !c.IsConnected() {
				break // the role subscribes again and reports errors
			}
		}
		if err := c.LastError(); c.misses(err) {
			s.denied(c, err)
		}
	}
	return s.cause(nil)
}

// published is the part of a permission error that names the subject of a message.
var published = regexp.MustCompile(`Publish to "(.+)"`)

// misses reports whether the error denies a permission that the role needs. A hostile client may
// name any subject for the reply to `nats service ping` and the like, which nats.go answers, so
// NATS may deny that reply.
func (c conn) misses(err error) bool {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	subject := published.FindStringSubmatch(err.Error())
	return subject == nil || c.permissions.Publishes(subject[1])
}

// denied ends the start: a role without a permission would wait for messages that never arrive.
func (s *System) denied(c conn, err error) {
	select {
	case s.failed <- fmt.Errorf("%s: NATS denies a permission: %w; give its user the permissions that `hodei nats permissions` prints", c.Opts.Name, err):
	default: // an earlier error is reported
	}
	s.giveUp()
}

// cause prefers the error of NATS, if NATS has reported one.
func (s *System) cause(err error) error {
	select {
	case denied := <-s.failed:
		return denied
	default:
		return err
	}
}
