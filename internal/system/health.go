package system

import (
	"context"
	"fmt"
	"sync"

	"github.com/hodei-jobs/hodei/internal/health"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// serveHealth answers on the address of the configuration until the returned stop
// is called. It begins before the roles do: until then they are not ready.
func (s *System) serveHealth() (stop func(), err error) {
	if s.cfg.HealthAddr == "" {
		return func() {}, nil
	}
	l, err := health.Listen(s.cfg.HealthAddr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		err := rpc.Try(s.cfg.Log, "health", func() error { return health.Serve(ctx, l, health.Registry(s.connected, s.cfg.Version), s.health) })
		if err != nil {
			s.cfg.Log.Error("health is no longer served", "err", err)
		}
	})
	return func() { cancel(); running.Wait() }, nil
}

// connected reports whether every role is connected to NATS.
func (s *System) connected() bool {
	for _, nc := range s.conns {
		if !nc.IsConnected() {
			return false
		}
	}
	return true
}

// health is that of the roles of this process, whichever other instances there are.
func (s *System) health(ctx context.Context) schemas.Health {
	found := schemas.Health{Ready: s.connected(), Checks: map[string]string{"nats": schemas.CheckOK}}
	if !found.Ready {
		found.Checks["nats"] = "not connected"
	}
	workers := 0
	for _, g := range []*group{&s.services, &s.front, &s.fleet} {
		for _, p := range g.parts {
			name := p.name
			if g == &s.fleet && len(g.parts) > 1 {
				workers++
				name = fmt.Sprintf("%s-%d", name, workers)
			}
			add(&found, name, p, ctx)
		}
	}
	return found
}

// add adds the result of one role.
func add(found *schemas.Health, name string, p part, ctx context.Context) {
	select {
	case <-p.ended:
		found.Checks[name], found.Ready = "ended", false
		return
	default:
	}
	select {
	case <-p.ready:
	default:
		found.Checks[name], found.Ready = "starting", false
		return
	}
	role := p.health(ctx)
	found.Checks[name] = schemas.CheckOK
	if !role.Ready {
		found.Checks[name], found.Ready = "not ready", false
	}
	for check, result := range role.Checks {
		found.Checks[name+"."+check] = result
	}
	if name != schemas.Edge { // its are those of the services
		found.Stores = append(found.Stores, role.Stores...)
	}
}
