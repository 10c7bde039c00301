package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	domain "github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// fleetSize is the number of simulated workers.
const fleetSize = 10_000

// availability returns the report of the i-th simulated worker.
func availability(id domain.WorkerID, i int, now time.Time) domain.Availability {
	return domain.Availability{
		WorkerID: id, Type: "shell", Labels: map[string]string{"zone": string(rune('a' + i%3))}, Status: domain.WorkerAvailable,
		Slots: 8, Free: 1 + i%8, Load: float64(i%100) / 100, Incarnation: "one", Revision: 1, Version: "bench", At: now,
	}
}

// planning chooses repeatedly among all workers.
func planning(_ context.Context, b *bench) ([]row, error) {
	now := time.Now()
	index := plan.NewIndex(plan.DefaultWeights)
	for i := range fleetSize {
		index.Add(plan.Worker{
			Availability: availability(domain.WorkerID(uuid.Must(uuid.NewV7())), i, now),
			AckLatency:   time.Duration(i%50) * time.Millisecond, Success: 1 - float64(i%10)/100,
		})
	}
	kind := "shell"
	var medians, tails []float64
	for range b.turns {
		var took []float64
		for range b.scale(3000, 1000) {
			req := plan.Request{ID: domain.ExecutionID(uuid.Must(uuid.NewV7())), Requirements: domain.Requirements{Type: &kind}}
			began := time.Now()
			_, ok := index.Choose(req, kv.Lease, now)
			took = append(took, milliseconds(time.Since(began)))
			if !ok {
				return nil, errors.New("no worker was chosen")
			}
		}
		medians, tails = append(medians, quantile(took, 0.5)), append(tails, quantile(took, 0.99))
	}
	r := row{Scenario: "plan", Unit: "ms", Lower: true}
	median, tail := r, r
	median.What, median.Hodei = "choosing among 10,000 workers, p50", spreadOf(medians)
	tail.What, tail.Hodei, tail.AtLeast, tail.Aim = "choosing among 10,000 workers, p99", spreadOf(tails), 1, 0.1
	return []row{median, tail}, nil
}

// renewal is the interval in which each simulated worker renews its lease.
const renewal = 10 * time.Second

// leases makes all workers renew their leases while two schedulers watch.
func leases(ctx context.Context, b *bench) (rows []row, err error) {
	r, err := b.servers(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	nc, err := nats.Connect(r.nats, nats.Name("bench"))
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := kv.Setup(ctx, js, kv.Storage{}); err != nil {
		return nil, err
	}
	for range 2 {
		if _, err := r.add(ctx, b, "scheduler"); err != nil {
			return nil, err
		}
	}
	f, stop, err := newSimulated(ctx, r.nats)
	defer stop()
	if err != nil {
		return nil, err
	}
	if err := f.come(ctx); err != nil {
		return nil, err
	}
	pids := []int{r.server.cmd.Process.Pid, r.procs[0].cmd.Process.Pid, r.procs[1].cmd.Process.Pid}
	turn := time.Duration(b.scale(20, 10)) * time.Second
	var server, watchers, all []float64
	for range b.turns {
		before, began := usageOf(pids[0]), time.Now()
		watching := usageOf(pids[1:]...)
		for range turn / renewal {
			if err := f.renew(ctx); err != nil {
				return nil, err
			}
		}
		share := func(d time.Duration) float64 { return 100 * float64(d) / float64(time.Since(began)) }
		server = append(server, share(usageOf(pids[0]).since(before).own))
		watchers = append(watchers, share(usageOf(pids[1:]...).since(watching).own))
		all = append(all, server[len(server)-1]+watchers[len(watchers)-1])
	}
	return []row{{Scenario: "leases", What: "10,000 renewed every 10 s, nats-server and two schedulers, of one core", Unit: "%", Lower: true,
		Hodei: spreadOf(all), AtLeast: 15, Aim: 5,
		Note: fmt.Sprintf("nats-server %s %%, both schedulers %s %%", number(quantile(server, 0.5)), number(quantile(watchers, 0.5)))}}, nil
}

// hosts is the number of connections of the simulated workers, skew the largest
// offset of their clocks, as with NTP in one network.
const (
	hosts = 100
	skew  = 3 * time.Millisecond
)

// simulated are workers that only renew, at the times at which real ones would.
type simulated struct {
	buckets []*kv.Workers // one per connection
	ids     []domain.WorkerID
}

func newSimulated(ctx context.Context, url string) (*simulated, func(), error) {
	s := &simulated{}
	var conns []*nats.Conn
	stop := func() {
		for _, nc := range conns {
			nc.Close()
		}
	}
	for range hosts {
		nc, err := nats.Connect(url, nats.Name("bench"))
		if err != nil {
			return s, stop, err
		}
		conns = append(conns, nc)
		js, err := jetstream.New(nc)
		if err != nil {
			return s, stop, err
		}
		bucket, err := kv.OpenWorkers(ctx, js)
		if err != nil {
			return s, stop, err
		}
		s.buckets = append(s.buckets, bucket)
	}
	for range fleetSize {
		s.ids = append(s.ids, domain.WorkerID(uuid.Must(uuid.NewV7())))
	}
	return s, stop, nil
}

// come makes each worker write its key for the first time.
func (s *simulated) come(ctx context.Context) error {
	return s.each(ctx, func(int) time.Time { return time.Time{} })
}

// renew makes each worker renew once within the period.
func (s *simulated) renew(ctx context.Context) error {
	began := time.Now()
	err := s.each(ctx, func(i int) time.Time {
		off := skew * time.Duration(i%2001-1000) / 1000
		return began.Add(off + kv.UntilRenewal(s.ids[i], began, renewal))
	})
	time.Sleep(time.Until(began.Add(renewal)))
	return err
}

// each makes each worker write its key at a time.
func (s *simulated) each(ctx context.Context, at func(i int) time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	for host, bucket := range s.buckets {
		var turns []int
		for i := host; i < len(s.ids); i += hosts {
			turns = append(turns, i)
		}
		slices.SortFunc(turns, func(a, b int) int { return at(a).Compare(at(b)) })
		g.Go(func() error {
			for _, i := range turns {
				time.Sleep(time.Until(at(i)))
				if err := bucket.Put(ctx, availability(s.ids[i], i, time.Now())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
