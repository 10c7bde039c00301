package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// overview is the whole system in one look.
type overview struct {
	At      string            `json:"at"`
	Context string            `json:"context,omitempty"`
	Ready   bool              `json:"ready"`
	Checks  map[string]string `json:"checks"`
	Stores  []schemas.Store   `json:"stores,omitempty"`
	// Streams are known over NATS only.
	Streams []streamFacts `json:"streams,omitempty"`
	Fleet   fleetFacts    `json:"fleet"`
	Queue   queueFacts    `json:"queue"`
	Errors  []string      `json:"errors,omitempty"` // what could not be asked
	queue   schemas.QueueList
	workers []hodei.Worker
}

type fleetFacts struct {
	Workers  int                        `json:"workers"`
	ByStatus map[hodei.WorkerStatus]int `json:"by_status"`
	Free     int                        `json:"free_slots"`
	Slots    int                        `json:"slots"`
	Running  int                        `json:"running"`
}

type queueFacts struct {
	Waiting       int     `json:"waiting"`
	OldestSeconds float64 `json:"oldest_seconds"`
}

type streamFacts struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"` // -1: unlimited
	Behind   uint64 `json:"behind"`    // messages that its durable consumers have not handled
	info     *jetstream.StreamInfo
}

func (p *people) newStatus() *cobra.Command {
	return p.listing(&cobra.Command{
		Use: "status", Short: "Show services, database, streams, fleet and queue in one look", Args: cobra.NoArgs,
		Annotations: map[string]string{"output": "table json yaml"},
		Long: `Show services, database, streams, fleet and queue in one look. Over NATS it shows
how large the streams are, too. The exit status is 5 when something does not
answer; hodei doctor says what to do.`,
		Example: "  hodei status\n  hodei status --watch\n  hodei status --nats nats://127.0.0.1:4222",
	}, func(ctx context.Context, s *session, _ []string) error {
		o, err := s.overview(ctx)
		if err != nil {
			return err
		}
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		if err := present(s, "status", body, func(overview) error { return s.showOverview(o) }); err != nil {
			return err
		}
		if !o.Ready {
			return exitStatus(exitCode(hodei.Unavailable))
		}
		return nil
	})
}

// overview asks everything there is to ask. It fails only when nobody answers.
func (s *session) overview(ctx context.Context) (o overview, err error) {
	health, err := s.Health(ctx)
	if err != nil {
		return o, err
	}
	o = overview{At: s.at, Context: s.context, Ready: health.Ready, Checks: health.Checks, Stores: health.Stores}
	o.Fleet.ByStatus = map[hodei.WorkerStatus]int{}
	for w, err := range s.AllWorkers(ctx, schemas.ListWorkersRequest{}) {
		if err != nil {
			o.miss("workers", err)
			break
		}
		if w.Status == hodei.WorkerTerminated {
			continue // it left; it is history
		}
		o.workers = append(o.workers, w)
		o.Fleet.count(w)
	}
	if o.queue, err = s.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000}); err != nil {
		o.miss("queue", err)
	}
	o.Queue.Waiting = o.queue.Total
	for _, e := range o.queue.Items {
		o.Queue.OldestSeconds = max(o.Queue.OldestSeconds, e.AgeSeconds)
	}
	if s.nc != nil {
		if o.Streams, err = s.streams(ctx); err != nil {
			o.miss("streams", err)
		}
	}
	return o, nil
}

func (o *overview) miss(what string, err error) {
	o.Ready = false
	o.Errors = append(o.Errors, what+": "+oneLine(err))
}

func (f *fleetFacts) count(w hodei.Worker) {
	f.Workers++
	f.ByStatus[w.Status]++
	f.Running += w.Running
	if w.Status == hodei.WorkerAvailable || w.Status == hodei.WorkerBusy {
		f.Free += w.Capacity
		f.Slots += w.TotalCapacity
	}
}

// streams are the facts of the two streams and of the bucket. One that is not
// there has no info.
func (s *session) streams(ctx context.Context) (all []streamFacts, err error) {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return nil, err
	}
	for _, name := range schemas.Streams {
		f := streamFacts{Name: name}
		stream, err := js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			all = append(all, f)
			continue
		case err != nil:
			return nil, err
		}
		f.info = stream.CachedInfo()
		f.Messages, f.Bytes, f.MaxBytes = f.info.State.Msgs, f.info.State.Bytes, f.info.Config.MaxBytes
		consumers := stream.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable != "" {
				f.Behind += c.NumPending + uint64(c.NumAckPending)
			}
		}
		if err := consumers.Err(); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func (s *session) showOverview(o overview) error {
	at := o.At
	if o.Context != "" {
		at += " (context " + o.Context + ")"
	}
	fields := []field{{"System", at}}
	for _, name := range slices.Sorted(maps.Keys(o.Checks)) {
		fields = append(fields, field{"  " + name, status(s, plain(o.Checks[name]))})
	}
	for _, f := range o.Stores {
		fields = append(fields, field{"  disk of " + f.Name, size(uint64(f.FreeBytes)) + " free"})
	}
	if len(o.Streams) > 0 {
		fields = append(fields, field{"Streams", ""})
		for _, f := range o.Streams {
			fields = append(fields, field{"  " + f.Name, f.String()})
		}
	}
	fields = append(fields, field{"Fleet", o.Fleet.String()}, field{"Queue", s.waiting(o)})
	for _, e := range o.Errors {
		fields = append(fields, field{"Not known", e})
	}
	return s.record(fields...)
}

func (f streamFacts) String() string {
	if f.info == nil {
		return "missing"
	}
	text := fmt.Sprintf("%d messages, %s", f.Messages, size(f.Bytes))
	if f.MaxBytes > 0 {
		text += " of " + size(uint64(f.MaxBytes))
	}
	if f.Behind > 0 {
		text += fmt.Sprintf(", %d not handled yet", f.Behind)
	}
	return text
}

func (f fleetFacts) String() string {
	if f.Workers == 0 {
		return "no workers"
	}
	var states []string
	for _, status := range slices.Sorted(maps.Keys(f.ByStatus)) {
		states = append(states, fmt.Sprintf("%d %s", f.ByStatus[status], status))
	}
	return fmt.Sprintf("%s: %s; %d running, %d of %d slots free", count(f.Workers, "worker"), strings.Join(states, ", "), f.Running, f.Free, f.Slots)
}

func (s *session) waiting(o overview) string {
	if o.Queue.Waiting == 0 {
		return "nothing waits"
	}
	text := fmt.Sprintf("%d waiting, the oldest for %s", o.Queue.Waiting, took(&o.Queue.OldestSeconds))
	if len(o.queue.Items) > 0 {
		text += "; first: " + plain(o.queue.Items[0].Reason)
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// size is a number of bytes as people say it.
func size(bytes uint64) string {
	const unit = 1024
	value, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for value >= unit && i < len(units)-1 {
		value, i = value/unit, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[i])
}
